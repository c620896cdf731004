//! For operators: a dry run of a group's policy, and a report on documents without a server.
//! Not here: reading files (`src/bin/cpm-check.rs`) and the RPC command around the dry run.

use super::directory::Directory;
use super::group::Group;
use super::permissions::Action;
use super::request::{PolicyRequest, Role, Verdict};
use crate::sip::identity::Identity;
use crate::sip::uri::Uri;

/// What would become of a REFER by `referrer` that invites `target`, step by step as (what, answer).
/// `now_unix` in seconds since 1970. Nobody is taken for a participant or a creator, but the result says
/// so where that alone makes the difference.
pub fn explain(
    group: &Group,
    referrer: &Uri,
    target: &Uri,
    now_unix: i64,
) -> Vec<(String, String)> {
    let mut steps = Vec::new();
    let asker = judge(group, referrer, now_unix, false, Role::default());
    let hidden = judge(group, referrer, now_unix, true, Role::default());
    let invited = judge(group, target, now_unix, false, Role::default());

    say(&mut steps, "group", group.uri.as_str());
    who(&mut steps, "referrer", group, referrer, &asker);
    let may_invite = step(
        &mut steps,
        "referrer",
        &asker,
        Action::AllowInviteUsersDynamically,
    );
    step(
        &mut steps,
        "referrer asking for anonymity",
        &hidden,
        Action::AllowAnonymity,
    );
    who(&mut steps, "target", group, target, &invited);
    let may_join = step(&mut steps, "target", &invited, Action::JoinHandling);
    let inside = Role {
        participant: true,
        ..Role::default()
    };
    let only_inside =
        judge(group, referrer, now_unix, false, inside).allows(Action::AllowInviteUsersDynamically);
    let result = match (may_invite, may_join) {
        (false, _) if only_inside => {
            "the REFER is refused with 403, unless the referrer is in the session"
        }
        (false, _) => "the REFER is refused with 403: the referrer may not invite",
        (true, false) => "the REFER is accepted, the target is not invited (403 in the NOTIFY)",
        (true, true) => "the REFER is accepted, the target is invited",
    };
    say(&mut steps, "result", result);
    steps
}

/// Checks documents given as (file name, content or why it could not be read). Returns the report,
/// one line per finding, and whether all documents can be used together.
pub fn report<N: Into<String>>(
    documents: impl IntoIterator<Item = (N, Result<Vec<u8>, String>)>,
) -> (String, bool) {
    let mut directory = Directory::default();
    let mut lines = Vec::new();
    let mut ok = true;
    for (file, content) in documents {
        let file: String = file.into();
        let content = match content {
            Ok(content) => content,
            Err(reason) => {
                ok = false;
                lines.push(format!("{file}: {reason}"));
                continue;
            }
        };
        match directory.add(file.clone(), &content) {
            Ok(group) => {
                lines.push(format!("{file}: ok: {}", summary(&group)));
                for note in &group.notes {
                    lines.push(format!("{file}:{}: note: {}", note.line, note.text));
                }
            }
            Err(problem) => {
                ok = false;
                lines.push(problem.to_string());
            }
        }
    }
    lines.push(String::new());
    (lines.join("\n"), ok)
}

fn summary(group: &Group) -> String {
    let limit = match group.max_participant_count {
        Some(max) => format!("at most {max} participants"),
        None => "no participant limit of its own".to_owned(),
    };
    format!(
        "group {}, {} on the list, {} rules, {limit}",
        group.uri,
        group.members.len(),
        group.rules.len()
    )
}

fn judge(group: &Group, uri: &Uri, now_unix: i64, anonymous: bool, role: Role) -> Verdict {
    group.evaluate(&PolicyRequest {
        identities: &[Identity::of(uri)],
        uris: std::slice::from_ref(uri),
        anonymous,
        now_unix,
        role,
    })
}

fn who(steps: &mut Vec<(String, String)>, what: &str, group: &Group, uri: &Uri, verdict: &Verdict) {
    let listed = match group.is_member(&[Identity::of(uri)]) {
        true => "on the list",
        false => "not on the list",
    };
    say(steps, what, &format!("{uri} ({listed})"));
    let rules = match verdict.matched_rules.is_empty() {
        true => "none".to_owned(),
        false => verdict.matched_rules.join(", "),
    };
    say(steps, &format!("{what}: matching rules"), &rules);
    let granted: Vec<&str> = verdict.allowed.granted().map(Action::name).collect();
    let granted = match granted.is_empty() {
        true => "nothing".to_owned(),
        false => granted.join(", "),
    };
    say(steps, &format!("{what}: permitted"), &granted);
}

fn step(steps: &mut Vec<(String, String)>, what: &str, verdict: &Verdict, action: Action) -> bool {
    let allowed = verdict.allows(action);
    let answer = if allowed { "yes" } else { "no" };
    say(steps, &format!("{what}: {action}"), answer);
    allowed
}

fn say(steps: &mut Vec<(String, String)>, what: &str, answer: &str) {
    steps.push((what.to_owned(), answer.to_owned()));
}
