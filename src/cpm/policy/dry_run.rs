//! For operators: a dry run of a group's policy, and a report on documents.

use super::directory::Directory;
use super::group::Group;
use super::permissions::Action;
use super::query::{PolicyQuery, Role, Verdict};
use crate::sip::uri::Uri;

/// What would become of a REFER by `referrer` that invites `target` at `now_unix` (seconds since 1970).
///
/// `phone_domains` are hosts that may stand for phone numbers besides those of the list.
/// Returns the steps of the decision, each as question and answer. Both people are taken to be outside
/// the session; the result says so if the referrer could invite from inside.
pub fn explain(
    group: &Group,
    referrer: &Uri,
    target: &Uri,
    now_unix: i64,
    phone_domains: &[String],
) -> Vec<(String, String)> {
    let mut steps = Vec::new();
    let evaluate = |group: &Group, uri: &Uri, now_unix, anonymous, role| {
        evaluate(group, uri, now_unix, anonymous, role, phone_domains)
    };
    let asked_openly = evaluate(group, referrer, now_unix, false, Role::default());
    let asked_anonymously = evaluate(group, referrer, now_unix, true, Role::default());
    let as_target = evaluate(group, target, now_unix, false, Role::default());

    add_step(&mut steps, "group", group.uri.as_str());
    let listed = |uri: &Uri| group.is_member(&[group.identity_of(uri, phone_domains)]);
    add_person(
        &mut steps,
        "referrer",
        referrer,
        listed(referrer),
        &asked_openly,
    );
    let may_invite = add_action(
        &mut steps,
        "referrer",
        &asked_openly,
        Action::AllowInviteUsersDynamically,
    );
    add_action(
        &mut steps,
        "referrer asking for anonymity",
        &asked_anonymously,
        Action::AllowAnonymity,
    );
    add_person(&mut steps, "target", target, listed(target), &as_target);
    let may_join = add_action(&mut steps, "target", &as_target, Action::JoinHandling);
    let inside = Role {
        participant: true,
        ..Role::default()
    };
    let only_inside = evaluate(group, referrer, now_unix, false, inside)
        .allows(Action::AllowInviteUsersDynamically);
    let result = match (may_invite, may_join) {
        (false, _) if only_inside => {
            "the REFER is refused with 403, unless the referrer is in the session"
        }
        (false, _) => "the REFER is refused with 403: the referrer may not invite",
        (true, false) => "the REFER is accepted, the target is not invited (403 in the NOTIFY)",
        (true, true) => "the REFER is accepted, the target is invited",
    };
    add_step(&mut steps, "result", result);
    steps
}

/// Checks documents, given as file name and content, or as file name and why it cannot be read.
///
/// Returns the report, one line per finding, and whether all documents can be used together.
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

fn evaluate(
    group: &Group,
    uri: &Uri,
    now_unix: i64,
    anonymous: bool,
    role: Role,
    phone_domains: &[String],
) -> Verdict {
    group.evaluate(&PolicyQuery {
        identities: &[group.identity_of(uri, phone_domains)],
        phone_domains,
        uris: std::slice::from_ref(uri),
        anonymous,
        now_unix,
        role,
    })
}

fn add_person(
    steps: &mut Vec<(String, String)>,
    what: &str,
    uri: &Uri,
    listed: bool,
    verdict: &Verdict,
) {
    let listed = match listed {
        true => "on the list",
        false => "not on the list",
    };
    add_step(steps, what, &format!("{uri} ({listed})"));
    let rules = match verdict.matched_rules.is_empty() {
        true => "none".to_owned(),
        false => verdict.matched_rules.join(", "),
    };
    add_step(steps, &format!("{what}: matching rules"), &rules);
    let granted: Vec<&str> = verdict.allowed.granted().map(Action::name).collect();
    let granted = match granted.is_empty() {
        true => "nothing".to_owned(),
        false => granted.join(", "),
    };
    add_step(steps, &format!("{what}: permitted"), &granted);
}

fn add_action(
    steps: &mut Vec<(String, String)>,
    what: &str,
    verdict: &Verdict,
    action: Action,
) -> bool {
    let allowed = verdict.allows(action);
    let answer = if allowed { "yes" } else { "no" };
    add_step(steps, &format!("{what}: {action}"), answer);
    allowed
}

fn add_step(steps: &mut Vec<(String, String)>, what: &str, answer: &str) {
    steps.push((what.to_owned(), answer.to_owned()));
}
