//! The words of every note.

use std::fmt::{Display, Result, Write};

use super::{Came, Note, Referrer, Refused, Wish};
use crate::cpm::redact::{Show, WhoRef};
use crate::cpm::targets::Purpose;

impl<'a> Note<'a> {
    /// Writes the note as a line that shows people so.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, out: &mut impl Write, show: Show) -> Result {
        let by = |who: &WhoRef<'a>| show.who(*who);
        match self {
            Note::Came(request) => request.write(out),
            Note::ReferTo(value, cut) => {
                let mark = if *cut { "…" } else { "" };
                write!(out, "Refer-To: {value}{mark}")
            }
            Note::ForGroup(group) => write!(out, "for group {group}"),
            Note::Referrer(referrer) => referrer.write(out, show),
            Note::Asks(wish) => wish.write(out, show),
            Note::OperatorInvites(who) => write!(out, "operator invites {}", by(who)),
            Note::OperatorRemoves(who) => write!(out, "operator removes {}", by(who)),
            Note::OperatorEnds => out.write_str("operator ends the session"),

            Note::Policy {
                who,
                rules,
                action,
                allowed,
            } => {
                write!(out, "policy: {} matches ", by(who))?;
                match rules.is_empty() {
                    true => out.write_str("no rule")?,
                    false => write_list(out, rules.iter())?,
                }
                let answer = if *allowed { "yes" } else { "no" };
                write!(out, ": {action} {answer}")
            }
            Note::Refused(refused) => refused.write(out, show),
            Note::Answered(code) => write!(out, "answered {code}"),
            Note::ReferAccepted {
                from,
                purpose,
                targets,
                notify,
            } => {
                let (from, notify) = (by(from), if *notify { "yes" } else { "no" });
                write!(
                    out,
                    "REFER accepted from={from} {purpose:?} targets={targets} notify={notify}"
                )
            }
            Note::InvitedAlready(who) => write!(out, "{} is being invited already", by(who)),
            Note::TargetSettled(who, status, why) => {
                write!(out, "target {}: {status} why=\"{why}\"", by(who))
            }
            Note::SessionStarted { group: Some(group) } => {
                write!(out, "session started group={group}")
            }
            Note::SessionStarted { group: None } => out.write_str("session started ad hoc"),
            Note::SessionInactive => out.write_str("nothing happened for too long"),
            Note::SessionEnded => out.write_str("session ended"),
            Note::GivenUp { owed } => write!(out, "given up, {owed} records were not done"),
            Note::ListedUsers(count) => write!(out, "created with {count} listed users"),
            Note::SubjectChanged(who) => write!(out, "subject changed from={}", by(who)),
            Note::Subject(subject) => write!(out, "the subject is {subject:?}"),
            Note::Administrator(who) => write!(out, "{} is now an administrator", by(who)),

            Note::InviteWaits(who, wait, parameter) => {
                write!(out, "INVITE to {} waits {wait} ms: {parameter}", by(who))
            }
            Note::Invited(who) => write!(out, "INVITE to {}", by(who)),
            Note::LeftOut(who) => {
                let who = by(who);
                write!(out, "port and maddr of {who} are left out: target_next_hop")
            }
            Note::Progress(who, status) => write!(out, "{} answered {status}", by(who)),
            Note::OnceMore(who, status, wait) => {
                write!(out, "{} answered {status}: once more in {wait} ms", by(who))
            }
            Note::OtherForm { who, text } => {
                let (who, with) = (by(who), if *text { "with" } else { "without" });
                write!(
                    out,
                    "{who} answered 488: once more {with} \"text\" in Contact"
                )
            }
            Note::NoAnswerInTime(who) => write!(out, "{} did not answer in time: CANCEL", by(who)),
            Note::CrossedCancel(who) => write!(out, "2xx of {} crossed our CANCEL: BYE", by(who)),
            Note::UnusableAnswer(who, why) => {
                let who = by(who);
                write!(
                    out,
                    "{who} answered with SDP that cannot be used ({why}): BYE"
                )
            }
            Note::NoToTag => out.write_str("2xx without usable To-tag: ACK, BYE"),
            Note::SecondAnswer => out.write_str("a second 2xx of one INVITE: ACK, BYE"),
            Note::Joined(who) => write!(out, "{} joined", by(who)),
            Note::NotReached(who, status) => write!(out, "{} not reached: {status}", by(who)),
            Note::NotSent { method, why } => write!(out, "{method} could not be sent: {why}"),

            Note::Result {
                target,
                status,
                reason,
            } => write!(out, "result {}: {status} {reason}", by(target)),
            Note::Notify {
                cseq,
                to,
                status,
                reason,
                about,
                state,
            } => {
                write!(out, "NOTIFY {cseq} to {}: {status} {reason}", by(to))?;
                if let Some(about) = about {
                    write!(out, " for {}", by(about))?;
                }
                write!(out, "; {state}")
            }
            Note::NotifyAnswered {
                conference,
                status,
                again,
                over,
            } => {
                let of = if *conference { "conference " } else { "" };
                write!(out, "{of}NOTIFY answered {status}")?;
                match again {
                    Some(wait) => write!(out, ": once more in {wait} ms"),
                    None if *over => out.write_str(": subscription ended"),
                    None => Ok(()),
                }
            }

            Note::JoinAccepted(who) => write!(out, "INVITE accepted, joined from={}", by(who)),
            Note::NoAck(who) => write!(out, "no ACK within 32 s from={}", by(who)),
            Note::AnswerNotSent => out.write_str("the answer to an INVITE could not be sent"),
            Note::UnusableAck(why, who) => {
                write!(out, "answer in ACK: {why}: BYE from={}", by(who))
            }
            Note::Renewed { what, media, from } => {
                write!(out, "{what} accepted, media {media} from={}", by(from))
            }
            Note::RefreshFailed(status, who) => {
                write!(out, "a refresh got {status} of {}", by(who))
            }
            Note::UnusableRefresh(why) => write!(
                out,
                "a re-INVITE was answered with SDP that cannot be used ({why}): BYE"
            ),
            Note::Expired { why, who } => write!(out, "{why}: BYE to {}", by(who)),
            Note::Left(who) => write!(out, "BYE, left from={}", by(who)),
            Note::Subscribed { from, expires } => {
                let from = by(from);
                write!(out, "SUBSCRIBE accepted from={from} expires={expires}")
            }
            Note::SubscriptionExpired => out.write_str("conference subscription expired"),

            Note::Cut { bare, full } => out.write_str(match show {
                Show::Whole => full,
                Show::Trail | Show::Redacted => bare,
            }),
        }
    }
}

impl Came<'_> {
    fn write(&self, out: &mut impl Write) -> Result {
        let place = match self.in_dialog {
            true => "in a dialog",
            false => "outside any dialog",
        };
        let peer = match self.trusted {
            true => "a trusted peer",
            false => "a peer that is not trusted",
        };
        write!(
            out,
            "{} {} CSeq {} {place}, on {} from {peer} ({})",
            self.method, self.uri, self.cseq, self.socket, self.source
        )
    }
}

impl Referrer<'_> {
    fn write(&self, out: &mut impl Write, show: Show) -> Result {
        let by = match self.asserted {
            true => "P-Asserted-Identity",
            false => "the identity of its dialog",
        };
        write!(out, "referrer {} by {by}", show.who(self.names))?;
        for (is_so, what) in [
            (self.anonymous, ", anonymous"),
            (self.hidden, ", hidden"),
            (self.participant, ", a participant"),
        ] {
            if is_so {
                out.write_str(what)?;
            }
        }
        Ok(())
    }
}

impl Wish<'_> {
    fn write(&self, out: &mut impl Write, show: Show) -> Result {
        let what = match self.purpose {
            Purpose::Invite => "invite",
            Purpose::Remove => "remove",
            Purpose::GiveRole => "make an administrator of",
            Purpose::TakeRole => "take the role of",
        };
        write!(out, "asks to {what} {}", self.kept)?;
        if self.written != self.kept {
            write!(out, " (of {} entries)", self.written)?;
        }
        out.write_str(": ")?;
        write_list(out, self.names.iter().map(|who| show.who(*who)))?;
        match self.kept.saturating_sub(self.names.len()) {
            0 => {}
            more => write!(out, " and {more} more")?,
        }
        out.write_str(match self.suppressed {
            true => "; no NOTIFY",
            false => "; NOTIFYs",
        })
    }
}

impl Refused<'_> {
    fn write(&self, out: &mut impl Write, show: Show) -> Result {
        let (what, status, reason) = (self.what, self.status, self.reason);
        write!(out, "{what} refused {status} why=\"{reason}\"")?;
        if let Some(requester) = self.requester {
            write!(out, " from={}", show.who(requester))?;
        }
        match show {
            // A trail has begun with where its REFER came from.
            Show::Redacted => {
                if let Some(source) = self.source {
                    write!(out, " source={source}")?;
                }
                if let Some(group) = self.group {
                    write!(out, " group={group}")?;
                }
            }
            Show::Whole | Show::Trail => {
                if let Some(warning) = self.warning {
                    write!(out, " warning=\"{warning}\"")?;
                }
            }
        }
        match self.hint {
            Some(hint) => write!(out, " hint=\"{hint}\""),
            None => Ok(()),
        }
    }
}

fn write_list(out: &mut impl Write, items: impl Iterator<Item = impl Display>) -> Result {
    for (at, item) in items.enumerate() {
        let comma = if at == 0 { "" } else { ", " };
        write!(out, "{comma}{item}")?;
    }
    Ok(())
}
