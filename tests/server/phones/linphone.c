/* A phone without screen and sound around liblinphone: lines on standard input are what its user does, lines on
 * standard output what its interface would show. Fields are separated by tabs. Ends when standard input ends.
 * What is in DIRECTORY outlives it: a phone that is started again there is the same device with the same groups.
 *
 * usage: linphone USER@DOMAIN ADDRESS REGISTRAR FACTORY DIRECTORY/
 */
#include <linphone/core.h>
#include <linphone/api/c-chat-room-params.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FIELDS = 32, LINE = 8192, VIEW = 16384 };

static LinphoneCore *core;
static LinphoneAccount *account;
static LinphoneChatRoom *room; /* the one the user looks at: the latest */
static char shown[VIEW];

/* One line: tabs and line ends of a value become blanks. */
static void say(const char *format, ...) {
	char line[VIEW];
	va_list values;
	va_start(values, format);
	vsnprintf(line, sizeof line, format, values);
	va_end(values);
	puts(line);
	fflush(stdout);
}

static const char *plain(const char *text) {
	static char copies[4][LINE];
	static int next;
	char *copy = copies[next++ % 4];
	snprintf(copy, LINE, "%s", text ? text : "");
	for (char *c = copy; *c; c++)
		if (*c == '\t' || *c == '\n' || *c == '\r') *c = ' ';
	return copy;
}

/* scheme:user@host of an address, without what comes after it. */
static const char *aor(const LinphoneAddress *address) {
	static char texts[4][LINE];
	static int next;
	char *text = texts[next++ % 4];
	const char *user = address ? linphone_address_get_username(address) : NULL;
	const char *host = address ? linphone_address_get_domain(address) : NULL;
	snprintf(text, LINE, "sip:%s@%s", user ? user : "", host ? host : "");
	return text;
}

/* The name of a state without what all of them begin with. */
static const char *bare(const char *name, const char *prefix) {
	return strncmp(name, prefix, strlen(prefix)) ? name : name + strlen(prefix);
}

static int by_text(const void *a, const void *b) {
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The group as the user sees it; said again when it has changed. `left` is that of the library. */
static void show(int always) {
	char view[VIEW], *people[FIELDS] = {0};
	size_t used;
	int count = 0;
	if (!room) {
		if (always) say("group\tstate=none");
		return;
	}
	LinphoneParticipant *me = linphone_chat_room_get_me(room);
	used = (size_t)snprintf(view, sizeof view, "group\tstate=%s\tleft=%d\tadmin=%d\tfocus=%s\tsubject=%s",
		bare(linphone_chat_room_state_to_string(linphone_chat_room_get_state(room)), "LinphoneChatRoomState"),
		linphone_chat_room_has_been_left(room) ? 1 : 0, me && linphone_participant_is_admin(me) ? 1 : 0,
		aor(linphone_chat_room_get_conference_address(room)), plain(linphone_chat_room_get_subject(room)));
	bctbx_list_t *list = linphone_chat_room_get_participants(room);
	for (bctbx_list_t *at = list; at && count < FIELDS; at = bctbx_list_next(at)) {
		LinphoneParticipant *person = bctbx_list_get_data(at);
		char text[LINE];
		snprintf(text, sizeof text, "%s%s", aor(linphone_participant_get_address(person)),
			linphone_participant_is_admin(person) ? "=admin" : "=");
		people[count++] = strdup(text);
	}
	bctbx_list_free_with_data(list, (bctbx_list_free_func)linphone_participant_unref);
	qsort(people, (size_t)count, sizeof *people, by_text);
	for (int i = 0; i < count; i++) {
		if (used < sizeof view) used += (size_t)snprintf(view + used, sizeof view - used, "\t%s", people[i]);
		free(people[i]);
	}
	if (!always && !strcmp(view, shown)) return;
	strcpy(shown, view);
	say("%s", view);
}

static void registration(LinphoneCore *c, LinphoneAccount *a, LinphoneRegistrationState state, const char *text) {
	(void)c;
	(void)a;
	if (state == LinphoneRegistrationOk) say("registered");
	if (state == LinphoneRegistrationFailed) say("failed\tregistration\t%s", plain(text));
}

static void room_state(LinphoneCore *c, LinphoneChatRoom *r, LinphoneChatRoomState state) {
	(void)c;
	if (room != r && state == LinphoneChatRoomStateInstantiated) {
		if (room) linphone_chat_room_unref(room);
		room = linphone_chat_room_ref(r);
	}
	if (state == LinphoneChatRoomStateCreationFailed) say("failed\tcreation");
	if (state == LinphoneChatRoomStateTerminationFailed) say("failed\ttermination");
}

static void message(LinphoneCore *c, LinphoneChatRoom *r, LinphoneChatMessage *m) {
	(void)c;
	say("message\t%s\t%s\t%s", aor(linphone_chat_message_get_from_address(m)),
		aor(linphone_chat_room_get_conference_address(r)), plain(linphone_chat_message_get_utf8_text(m)));
}

static void message_state(LinphoneChatMessage *m, LinphoneChatMessageState state) {
	const char *name = bare(linphone_chat_message_state_to_string(state), "LinphoneChatMessageState");
	say("sent\t%s\t%s", name, plain(linphone_chat_message_get_utf8_text(m)));
}

static bctbx_list_t *addresses(char **uris) {
	bctbx_list_t *list = NULL;
	for (; *uris; uris++) list = bctbx_list_append(list, linphone_factory_create_address(linphone_factory_get(), *uris));
	return list;
}

static void create(const char *subject, char **uris) {
	LinphoneChatRoomParams *params = linphone_core_create_default_chat_room_params(core);
	linphone_chat_room_params_enable_group(params, TRUE);
	linphone_chat_room_params_enable_encryption(params, FALSE);
	linphone_chat_room_params_set_backend(params, LinphoneChatRoomBackendFlexisipChat);
	linphone_chat_room_params_set_subject(params, subject);
	bctbx_list_t *people = addresses(uris);
	const LinphoneAddress *self = linphone_account_get_contact_address(account);
	LinphoneChatRoom *made = linphone_core_create_chat_room_6(core, params, self, people);
	if (made) linphone_chat_room_unref(made);
	else say("failed\tcreation");
	bctbx_list_free_with_data(people, (bctbx_list_free_func)linphone_address_unref);
	linphone_chat_room_params_unref(params);
}

static void send_text(const char *text) {
	LinphoneChatMessage *m = linphone_chat_room_create_message_from_utf8(room, text);
	LinphoneChatMessageCbs *cbs = linphone_factory_create_chat_message_cbs(linphone_factory_get());
	linphone_chat_message_cbs_set_msg_state_changed(cbs, message_state);
	linphone_chat_message_add_callbacks(m, cbs);
	linphone_chat_message_cbs_unref(cbs);
	linphone_chat_message_send(m); /* the core keeps what is under way */
}

static void with_participant(const char *uri, int admin) {
	LinphoneAddress *address = linphone_factory_create_address(linphone_factory_get(), uri);
	LinphoneParticipant *person = address ? linphone_chat_room_find_participant(room, address) : NULL;
	if (!person) say("failed\tnobody\t%s", uri);
	else if (admin < 0) linphone_chat_room_remove_participant(room, person);
	else linphone_chat_room_set_participant_admin_status(room, person, admin != 0);
	if (address) linphone_address_unref(address);
}

/* What the user does. */
static void obey(char *line) {
	char *field[FIELDS + 1] = {0};
	int count = 0;
	for (char *at = line; at && count < FIELDS; count++) field[count] = strsep(&at, "\t");
	const char *what = field[0];
	if (!strcmp(what, "create") && count > 2) create(field[1], field + 2);
	else if (!strcmp(what, "show")) show(1);
	else if (!room) say("failed\tno group\t%s", what);
	else if (!strcmp(what, "add") && count > 1) {
		bctbx_list_t *people = addresses(field + 1);
		linphone_chat_room_add_participants(room, people);
		bctbx_list_free_with_data(people, (bctbx_list_free_func)linphone_address_unref);
	} else if (!strcmp(what, "rename") && count == 2) linphone_chat_room_set_subject(room, field[1]);
	else if (!strcmp(what, "admin") && count == 3) with_participant(field[1], atoi(field[2]));
	else if (!strcmp(what, "remove") && count == 2) with_participant(field[1], -1);
	else if (!strcmp(what, "leave")) linphone_chat_room_leave(room);
	else if (!strcmp(what, "send") && count == 2) send_text(field[1]);
	else if (!strcmp(what, "read")) linphone_chat_room_mark_as_read(room);
	else say("failed\tcommand\t%s", what);
}

/* Takes whole lines of standard input; 0 at its end. */
static int listen_to_user(void) {
	static char buffer[LINE];
	static size_t used;
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
	if (poll(&input, 1, 5) <= 0) return 1;
	ssize_t got = read(STDIN_FILENO, buffer + used, sizeof buffer - 1 - used);
	if (got <= 0) return 0;
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
	return 1;
}

static LinphoneConfig *settings(LinphoneFactory *factory, const char *address, const char *directory) {
	char path[LINE];
	snprintf(path, sizeof path, "%slinphonerc", directory);
	LinphoneConfig *config = linphone_factory_create_config(factory, path);
	linphone_config_set_string(config, "sip", "bind_address", address);
	linphone_config_set_int(config, "sip", "auto_net_state_mon", 0);
	linphone_config_set_int(config, "sip", "use_ipv6", 0);
	return config;
}

/* The library's own log, for who looks into a failure: standard error. */
static void logged(LinphoneLoggingService *s, const char *domain, LinphoneLogLevel level, const char *text) {
	(void)s;
	(void)level;
	fprintf(stderr, "%s: %s\n", domain, text);
}

static void log_to_stderr(void) {
	LinphoneLoggingService *service = linphone_logging_service_get();
	LinphoneLoggingServiceCbs *cbs = linphone_factory_create_logging_service_cbs(linphone_factory_get());
	linphone_logging_service_cbs_set_log_message_written(cbs, logged);
	linphone_logging_service_add_callbacks(service, cbs);
	linphone_logging_service_set_log_level(service,
		getenv("PHONE_LOG") ? LinphoneLogLevelMessage : LinphoneLogLevelError);
}

static void start(char **given) {
	const char *user = given[1], *address = given[2], *registrar = given[3], *factory_uri = given[4], *directory = given[5];
	char text[LINE];
	LinphoneFactory *factory = linphone_factory_get();
	linphone_factory_set_config_dir(factory, directory);
	linphone_factory_set_data_dir(factory, directory);
	linphone_factory_set_download_dir(factory, directory);
	linphone_factory_set_msplugins_dir(factory, directory); /* there are none: no sound, no screen */
	LinphoneConfig *config = settings(factory, address, directory);
	core = linphone_factory_create_core_with_config_3(factory, config, NULL);
	linphone_config_unref(config);

	LinphoneTransports *transports = linphone_factory_create_transports(factory);
	linphone_transports_set_udp_port(transports, LC_SIP_TRANSPORT_RANDOM);
	linphone_transports_set_tcp_port(transports, 0);
	linphone_transports_set_tls_port(transports, 0);
	linphone_core_set_transports(core, transports);
	linphone_transports_unref(transports);

	LinphoneCoreCbs *cbs = linphone_factory_create_core_cbs(factory);
	linphone_core_cbs_set_account_registration_state_changed(cbs, registration);
	linphone_core_cbs_set_chat_room_state_changed(cbs, room_state);
	linphone_core_cbs_set_message_received(cbs, message);
	linphone_core_add_callbacks(core, cbs);
	linphone_core_cbs_unref(cbs);
	linphone_core_start(core);
	linphone_core_set_network_reachable(core, TRUE);

	linphone_core_clear_accounts(core); /* that of a start before */
	LinphoneAccountParams *params = linphone_core_create_account_params(core);
	snprintf(text, sizeof text, "sip:%s", user);
	LinphoneAddress *identity = linphone_factory_create_address(factory, text);
	LinphoneAddress *server = linphone_factory_create_address(factory, registrar);
	linphone_account_params_set_identity_address(params, identity);
	linphone_account_params_set_server_address(params, server);
	linphone_account_params_enable_outbound_proxy(params, TRUE);
	linphone_account_params_enable_register(params, TRUE);
	linphone_account_params_set_conference_factory_uri(params, factory_uri);
	account = linphone_core_create_account(core, params);
	linphone_core_add_account(core, account);
	linphone_core_set_default_account(core, account);
	linphone_address_unref(identity);
	linphone_address_unref(server);
	linphone_account_params_unref(params);
}

int main(int count, char **given) {
	if (count != 6) {
		fprintf(stderr, "usage: linphone USER@DOMAIN ADDRESS REGISTRAR FACTORY DIRECTORY/\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	log_to_stderr();
	start(given);
	while (listen_to_user()) {
		linphone_core_iterate(core);
		show(0);
	}
	/* As if its battery was taken out: no goodbye for which a stopped server would keep it waiting. */
	linphone_core_config_sync(core);
	_exit(0);
}
