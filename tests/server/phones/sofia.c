/* An endpoint around Sofia-SIP: it joins groups, accepts invitations and refers people. Lines on standard input are what
 * its user does, lines on standard output what the stack made of what came: an event, a status, two texts, separated by
 * tabs. Ends when standard input ends.
 *
 * usage: sofia USER@DOMAIN ADDRESS PROXY
 */
#include <sofia-sip/nua.h>
#include <sofia-sip/sip_status.h>
#include <sofia-sip/su_wait.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FIELDS = 4, LINE = 4096 };

static su_root_t *root;
static nua_t *nua;
static nua_handle_t *dialog, *registration;
static const char *user, *address;

static void say(const char *event, int status, const char *first, const char *second) {
	printf("%s\t%d\t%s\t%s\n", event, status, first ? first : "", second ? second : "");
	fflush(stdout);
}

/* The first line of a body. */
static const char *first_line(sip_t const *sip, char line[LINE]) {
	size_t length = 0;
	line[0] = 0;
	if (sip && sip->sip_payload && sip->sip_payload->pl_data) {
		const char *data = sip->sip_payload->pl_data;
		while (length < sip->sip_payload->pl_len && length < LINE - 1 && data[length] != '\r' && data[length] != '\n') length++;
		memcpy(line, data, length);
		line[length] = 0;
	}
	return line;
}

/* An offer or answer for MSRP; no message is ever carried. */
static const char *sdp(const char *setup) {
	static char text[LINE];
	snprintf(text, sizeof text,
		"v=0\r\no=- 1 1 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\nm=message 28550 TCP/MSRP *\r\n"
		"a=accept-types:message/cpim\r\na=accept-wrapped-types:*\r\na=setup:%s\r\na=sendrecv\r\n"
		"a=path:msrp://%s:28550/%d;tcp\r\n", address, address, setup, address, (int)getpid());
	return text;
}

static void happened(nua_event_t event, int status, char const *phrase, nua_t *n, nua_magic_t *magic, nua_handle_t *nh,
	nua_hmagic_t *of_handle, sip_t const *sip, tagi_t tags[]) {
	char line[LINE];
	(void)n;
	(void)magic;
	(void)of_handle;
	(void)tags;
	if (event == nua_r_register) say("registered", status, phrase, NULL);
	else if (event == nua_r_invite) {
		say("joined", status, phrase, NULL);
		if (status == 200) nua_ack(nh, TAG_END());
	} else if (event == nua_i_invite && status == 100) {
		dialog = nh;
		nua_respond(nh, SIP_200_OK, SIPTAG_CONTENT_TYPE_STR("application/sdp"), SIPTAG_PAYLOAD_STR(sdp("active")),
			NUTAG_MEDIA_ENABLE(0), TAG_END());
		say("invited", status, sip->sip_subject ? sip->sip_subject->g_string : NULL, NULL);
	} else if (event == nua_r_refer) say("refer", status, phrase, NULL);
	else if (event == nua_i_notify && sip && sip->sip_event) {
		const char *state = sip->sip_subscription_state ? sip->sip_subscription_state->ss_substate : NULL;
		say("notify", status, state, first_line(sip, line));
	} else if (event == nua_i_bye) say("bye", status, NULL, NULL);
	else if (event == nua_r_bye) say("left", status, NULL, NULL);
}

static void join(const char *uri) {
	dialog = nua_handle(nua, NULL, SIPTAG_TO_STR(uri), TAG_END());
	nua_invite(dialog, NUTAG_URL(uri), SIPTAG_CONTENT_TYPE_STR("application/sdp"), SIPTAG_PAYLOAD_STR(sdp("actpass")),
		NUTAG_MEDIA_ENABLE(0), TAG_END());
}

static void refer(nua_handle_t *nh, const char *refer_to) {
	nua_refer(nh, SIPTAG_REFER_TO_STR(refer_to), SIPTAG_REFERRED_BY_STR(user), TAG_END());
}

static void obey(char *line) {
	char *field[FIELDS] = {0};
	int count = 0;
	for (char *at = line; at && count < FIELDS; count++) field[count] = strsep(&at, "\t");
	if (!strcmp(field[0], "join") && count == 2) join(field[1]);
	else if (!strcmp(field[0], "refer") && count == 2 && dialog) refer(dialog, field[1]);
	else if (!strcmp(field[0], "refer-outside") && count == 3)
		refer(nua_handle(nua, NULL, NUTAG_URL(field[1]), SIPTAG_TO_STR(field[1]), TAG_END()), field[2]);
	else if (!strcmp(field[0], "leave") && dialog) nua_bye(dialog, TAG_END());
	else say("failed", 0, field[0], NULL);
}

static int input(su_root_magic_t *magic, su_wait_t *wait, su_wakeup_arg_t *arg) {
	static char buffer[LINE];
	static size_t used;
	(void)magic;
	(void)wait;
	(void)arg;
	ssize_t got = read(STDIN_FILENO, buffer + used, sizeof buffer - 1 - used);
	/* As if its battery was taken out: no goodbye for which a stopped server would keep it waiting. */
	if (got <= 0) _exit(0);
	used += (size_t)got;
	buffer[used] = 0;
	char *line = buffer, *end;
	while ((end = strchr(line, '\n'))) {
		*end = 0;
		obey(line);
		line = end + 1;
	}
	used = strlen(line);
	memmove(buffer, line, used + 1);
	return 0;
}

int main(int count, char **given) {
	char self[LINE], here[LINE];
	su_wait_t wait[1];
	if (count != 4) {
		fprintf(stderr, "usage: sofia USER@DOMAIN ADDRESS PROXY\n");
		return 2;
	}
	address = given[2];
	snprintf(self, sizeof self, "<sip:%s>", given[1]);
	snprintf(here, sizeof here, "sip:%s:*;transport=udp", address);
	user = self;
	su_init();
	root = su_root_create(NULL);
	nua = nua_create(root, happened, NULL, NUTAG_URL(here), NUTAG_PROXY(given[3]), SIPTAG_FROM_STR(self),
		NUTAG_MEDIA_ENABLE(0), NUTAG_ENABLEMESSENGER(0), TAG_END());
	if (!nua) return 1;
	su_wait_create(wait, STDIN_FILENO, SU_WAIT_IN);
	su_root_register(root, wait, input, NULL, 0);
	registration = nua_handle(nua, NULL, SIPTAG_TO_STR(self), TAG_END());
	nua_register(registration, NUTAG_REGISTRAR(given[3]), TAG_END());
	su_root_run(root);
	return 0;
}
