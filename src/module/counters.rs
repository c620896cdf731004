//! Statistics of group `cpm`: the domain's counters under their public names.

use std::ffi::CStr;

use crate::cpm::action::Counter as Name;
use crate::cpm::quirk::Quirk;
use crate::kamailio::counters::{register, Counter, CounterError};
use crate::sip::refer_to::Quirk as Refer;

static SESSIONS: Counter = Counter::new();
static PARTICIPANTS: Counter = Counter::new();
static CONFERENCE_SUBSCRIPTIONS: Counter = Counter::new();
static CONFERENCE_NOTIFIES_SENT: Counter = Counter::new();
static REFERS_ACCEPTED: Counter = Counter::new();
static REFERS_REFUSED: Counter = Counter::new();
static INVITES_SENT: Counter = Counter::new();
static INVITES_ACCEPTED: Counter = Counter::new();
static INVITES_FAILED: Counter = Counter::new();
static NOTIFIES_SENT: Counter = Counter::new();
static JOINS_ACCEPTED: Counter = Counter::new();
static JOINS_REFUSED: Counter = Counter::new();
static ANSWERS_IGNORED: Counter = Counter::new();

static METHOD_OUTSIDE_BRACKETS: Counter = Counter::new();
static USER_OUTSIDE_BRACKETS: Counter = Counter::new();
static UNBRACKETED: Counter = Counter::new();
static METHOD_AS_HEADER: Counter = Counter::new();
static BRACKETS_IN_CID: Counter = Counter::new();
static UNKNOWN_PARAMETER: Counter = Counter::new();
static LIST_WITHOUT_CID: Counter = Counter::new();
static LIST_WITHOUT_REQUIRE: Counter = Counter::new();
static COPY_CONTROL_NAMESPACE: Counter = Counter::new();
static LIST_WITHOUT_DISPOSITION: Counter = Counter::new();
static ROLE_PARAMETER: Counter = Counter::new();
static REQUIRE_WITHOUT_LIST: Counter = Counter::new();
static OTHER_FORM: Counter = Counter::new();
static ANSWER_WITHOUT_SDP: Counter = Counter::new();
static SUBSCRIBE_WHILE_INVITED: Counter = Counter::new();
static EARLY_NOTIFY: Counter = Counter::new();
static FAILS_ON_410: Counter = Counter::new();
/// Requests from sources that are not trusted.
pub static UNTRUSTED_REQUESTS: Counter = Counter::new();
/// Requests answered 503 because shared memory was full.
pub static OUT_OF_MEMORY: Counter = Counter::new();
/// Requests refused for overload.
pub static SHED: Counter = Counter::new();
/// 1 during overload.
pub static OVERLOADED: Counter = Counter::new();
/// How long messages wait until they are read, ms.
pub static QUEUE_DELAY: Counter = Counter::new();
/// Requests whose Call-ID collides with many others in tm's table.
pub static CALL_ID_COLLISIONS: Counter = Counter::new();

static SUBSCRIPTIONS_OVER_LIMIT: Counter = Counter::new();
static REFERS_OVER_RATE: Counter = Counter::new();
static INVITES_OVER_SESSION_RATE: Counter = Counter::new();
static INVITES_OVER_TARGET_RATE: Counter = Counter::new();
static INVITES_OVER_NEXT_HOP_RATE: Counter = Counter::new();
static INVITES_WAITING: Counter = Counter::new();

/// Name, help, counter: the whole table.
pub static TABLE: [(&CStr, &CStr, &Counter); 42] = [
    (c"sessions", c"live sessions now", &SESSIONS),
    (
        c"participants",
        c"connected participants now",
        &PARTICIPANTS,
    ),
    (
        c"conference_subscriptions",
        c"conference subscriptions now",
        &CONFERENCE_SUBSCRIPTIONS,
    ),
    (
        c"conference_notifies_sent",
        c"conference NOTIFYs sent",
        &CONFERENCE_NOTIFIES_SENT,
    ),
    (c"refers_accepted", c"REFERs answered 2xx", &REFERS_ACCEPTED),
    (c"refers_refused", c"REFERs refused", &REFERS_REFUSED),
    (c"invites_sent", c"INVITEs sent to targets", &INVITES_SENT),
    (
        c"invites_accepted",
        c"targets that joined",
        &INVITES_ACCEPTED,
    ),
    (
        c"invites_failed",
        c"targets that did not join",
        &INVITES_FAILED,
    ),
    (c"notifies_sent", c"refer NOTIFYs sent", &NOTIFIES_SENT),
    (
        c"joins_accepted",
        c"INVITEs from participants accepted",
        &JOINS_ACCEPTED,
    ),
    (
        c"joins_refused",
        c"INVITEs from participants refused",
        &JOINS_REFUSED,
    ),
    (
        c"answers_ignored",
        c"answers from neither a trusted peer nor where the request went",
        &ANSWERS_IGNORED,
    ),
    (
        c"quirk_method_outside_brackets",
        c"Refer-To with method outside its brackets",
        &METHOD_OUTSIDE_BRACKETS,
    ),
    (
        c"quirk_user_outside_brackets",
        c"Refer-To with user= outside its brackets",
        &USER_OUTSIDE_BRACKETS,
    ),
    (
        c"quirk_unbracketed",
        c"Refer-To with parameters and no brackets",
        &UNBRACKETED,
    ),
    (
        c"quirk_method_as_header",
        c"method given as an embedded header",
        &METHOD_AS_HEADER,
    ),
    (
        c"quirk_brackets_in_cid",
        c"angle brackets inside a cid URL",
        &BRACKETS_IN_CID,
    ),
    (
        c"quirk_unknown_parameter",
        c"Refer-To with a parameter nobody defined",
        &UNKNOWN_PARAMETER,
    ),
    (
        c"quirk_list_without_cid",
        c"Refer-To naming the focus or factory, list in the body",
        &LIST_WITHOUT_CID,
    ),
    (
        c"quirk_list_without_require",
        c"lists without Require: multiple-refer",
        &LIST_WITHOUT_REQUIRE,
    ),
    (
        c"quirk_copy_control_namespace",
        c"lists with the copyControl namespace spelt with a capital C",
        &COPY_CONTROL_NAMESPACE,
    ),
    (
        c"quirk_list_without_disposition",
        c"lists without Content-Disposition: recipient-list",
        &LIST_WITHOUT_DISPOSITION,
    ),
    (
        c"quirk_role_parameter",
        c"Refer-To with ;admin=",
        &ROLE_PARAMETER,
    ),
    (
        c"quirk_require_without_list",
        c"Require: recipient-list-invite where there is no list",
        &REQUIRE_WITHOUT_LIST,
    ),
    (
        c"quirk_other_form",
        c"targets that refused an INVITE with 488 and accepted it in another form",
        &OTHER_FORM,
    ),
    (
        c"quirk_answer_without_sdp",
        c"2xx to our INVITE without SDP",
        &ANSWER_WITHOUT_SDP,
    ),
    (
        c"quirk_subscribe_while_invited",
        c"SUBSCRIBEs of people who were being invited",
        &SUBSCRIBE_WHILE_INVITED,
    ),
    (
        c"quirk_early_notify",
        c"first NOTIFYs answered 481 and repeated",
        &EARLY_NOTIFY,
    ),
    (
        c"quirk_fails_on_410",
        c"BYEs with cause 200 for clients that take 410 for a failure",
        &FAILS_ON_410,
    ),
    (
        c"untrusted_requests",
        c"requests of sources that are not trusted, refused or dropped",
        &UNTRUSTED_REQUESTS,
    ),
    (
        c"out_of_memory",
        c"requests answered 503 because shared memory was full",
        &OUT_OF_MEMORY,
    ),
    (c"shed", c"requests refused for overload", &SHED),
    (c"overloaded", c"1 during overload", &OVERLOADED),
    (
        c"queue_delay",
        c"how long messages wait until they are read, ms",
        &QUEUE_DELAY,
    ),
    (
        c"call_id_collisions",
        c"requests whose Call-ID collides with many others in tm's table",
        &CALL_ID_COLLISIONS,
    ),
    (
        c"subscriptions_over_limit",
        c"SUBSCRIBEs refused for max_person_subscriptions",
        &SUBSCRIPTIONS_OVER_LIMIT,
    ),
    (
        c"refers_over_rate",
        c"REFERs and lists refused for refer_rate",
        &REFERS_OVER_RATE,
    ),
    (
        c"invites_over_session_rate",
        c"INVITEs that waited for session_rate",
        &INVITES_OVER_SESSION_RATE,
    ),
    (
        c"invites_over_target_rate",
        c"INVITEs that waited for target_rate",
        &INVITES_OVER_TARGET_RATE,
    ),
    (
        c"invites_over_next_hop_rate",
        c"INVITEs that waited for next_hop_rate",
        &INVITES_OVER_NEXT_HOP_RATE,
    ),
    (
        c"invites_waiting",
        c"INVITEs that wait for their turn now",
        &INVITES_WAITING,
    ),
];

/// In `mod_init`.
pub fn register_all() -> Result<(), CounterError> {
    register(c"cpm", &TABLE)
}

/// The statistic of a counter of the domain.
pub fn of(name: Name) -> &'static Counter {
    match name {
        Name::Sessions => &SESSIONS,
        Name::Participants => &PARTICIPANTS,
        Name::ConferenceSubscriptions => &CONFERENCE_SUBSCRIPTIONS,
        Name::ConferenceNotifiesSent => &CONFERENCE_NOTIFIES_SENT,
        Name::RefersAccepted => &REFERS_ACCEPTED,
        Name::RefersRefused => &REFERS_REFUSED,
        Name::InvitesSent => &INVITES_SENT,
        Name::InvitesAccepted => &INVITES_ACCEPTED,
        Name::InvitesFailed => &INVITES_FAILED,
        Name::NotifiesSent => &NOTIFIES_SENT,
        Name::JoinsAccepted => &JOINS_ACCEPTED,
        Name::JoinsRefused => &JOINS_REFUSED,
        Name::AnswersIgnored => &ANSWERS_IGNORED,
        Name::SubscriptionsOverLimit => &SUBSCRIPTIONS_OVER_LIMIT,
        Name::RefersOverRate => &REFERS_OVER_RATE,
        Name::InvitesOverSessionRate => &INVITES_OVER_SESSION_RATE,
        Name::InvitesOverTargetRate => &INVITES_OVER_TARGET_RATE,
        Name::InvitesOverNextHopRate => &INVITES_OVER_NEXT_HOP_RATE,
        Name::InvitesWaiting => &INVITES_WAITING,
        Name::Quirk(quirk) => of_quirk(quirk),
    }
}

fn of_quirk(quirk: Quirk) -> &'static Counter {
    match quirk {
        Quirk::ReferTo(Refer::MethodOutsideBrackets) => &METHOD_OUTSIDE_BRACKETS,
        Quirk::ReferTo(Refer::UserOutsideBrackets) => &USER_OUTSIDE_BRACKETS,
        Quirk::ReferTo(Refer::Unbracketed) => &UNBRACKETED,
        Quirk::ReferTo(Refer::MethodAsHeader) => &METHOD_AS_HEADER,
        Quirk::ReferTo(Refer::BracketsInCid) => &BRACKETS_IN_CID,
        Quirk::ReferTo(Refer::UnknownParameter) => &UNKNOWN_PARAMETER,
        Quirk::ListWithoutCid => &LIST_WITHOUT_CID,
        Quirk::ListWithoutRequire => &LIST_WITHOUT_REQUIRE,
        Quirk::CopyControlNamespace => &COPY_CONTROL_NAMESPACE,
        Quirk::ListWithoutDisposition => &LIST_WITHOUT_DISPOSITION,
        Quirk::RoleParameter => &ROLE_PARAMETER,
        Quirk::RequireWithoutList => &REQUIRE_WITHOUT_LIST,
        Quirk::OtherForm => &OTHER_FORM,
        Quirk::AnswerWithoutSdp => &ANSWER_WITHOUT_SDP,
        Quirk::SubscribeWhileInvited => &SUBSCRIBE_WHILE_INVITED,
        Quirk::EarlyNotify => &EARLY_NOTIFY,
        Quirk::FailsOn410 => &FAILS_ON_410,
    }
}
