//! What must hold after every single input, and once everything has calmed down.

use std::collections::BTreeSet;

use cpm::cpm::action::{Action, Counter};
use cpm::cpm::input::Input;
use cpm::cpm::records::{Carrier, Head, Id, LegState, Record, Refer};
use cpm::cpm::refusal::Refusal;
use cpm::cpm::session::Change;
use cpm::sip::Method;

use super::message::text;
use super::peer::{How, Stage};
use super::world::World;

impl World {
    /// Commits what the domain decided, and looks at all of it.
    pub(super) fn committed(
        &mut self,
        root: Id,
        changes: Vec<Change>,
        actions: Vec<Action>,
        inputs: &[Input<'_>],
    ) -> Vec<Action> {
        if self.is_full(root, &changes) {
            return self.not_stored(inputs);
        }
        if let Err(why) = self.records.commit(root, changes) {
            self.fail(&why);
        }
        if let Err(why) = self.session_is_sound(root) {
            self.fail(&why);
        }
        for input in inputs {
            if let Err(why) = actions_fit(input, &actions) {
                self.fail(&why);
            }
            if let Input::DeadlineReached { record } = input {
                if self
                    .records
                    .deadline(*record)
                    .is_some_and(|at| at <= self.now)
                {
                    self.fail(&format!("{record:?} stays due"));
                }
            }
            self.note_promise(root, input, &actions);
        }
        actions
    }

    /// Whether this commit needs room and finds none.
    fn is_full(&mut self, root: Id, changes: &[Change]) -> bool {
        let needs_room = self.records.need_room(root, changes);
        self.faults.commits += u64::from(needs_room);
        needs_room && self.faults.full.contains(&self.faults.commits)
    }

    /// The old state stands; who asks hears so, and what is due is looked at again.
    fn not_stored(&mut self, inputs: &[Input<'_>]) -> Vec<Action> {
        self.note(format!("full: commit {}", self.faults.commits));
        let due = self.records.first_due().map_or(self.now, |(at, _)| at);
        self.tick = self.now.saturating_sub(due) + 50;
        match inputs.iter().find_map(Input::arrival) {
            Some(arrival) => self.refused(arrival, Refusal::OutOfMemory),
            None => Vec::new(),
        }
    }

    fn session_is_sound(&self, root: Id) -> Result<(), String> {
        let Some(head) = self.records.head(root) else {
            return Ok(());
        };
        let (mut connected, mut pending, mut below) = (0, 0, 0);
        let mut administrators = 0;
        for (id, record) in self.records.below(root) {
            below += 1;
            let names = record.names(root);
            let distinct: BTreeSet<_> = names.iter().collect();
            if distinct.len() < names.len() {
                return Err(format!("{id:?} has a name twice: {names:?}"));
            }
            match record {
                Record::Leg(leg) => {
                    connected += u32::from(leg.is_connected());
                    pending += u32::from(leg.is_pending());
                    administrators += u32::from(leg.administrator);
                    if leg.administrator && !leg.is_connected() {
                        return Err(format!("{id:?} is not in, and an administrator"));
                    }
                }
                Record::Refer(_) | Record::Target(_) | Record::History(_) => {}
                Record::RejoinRights(_) if head.rejoin_rights == Some(id) => {}
                Record::RejoinRights(_) => return Err(format!("rights {id:?} of nobody")),
                Record::ChangeLog(_) if head.change_log == Some(id) => {}
                Record::ChangeLog(_) => return Err(format!("a change log {id:?} of nobody")),
                Record::Subscribers(_) | Record::ConferenceSubscription(_) => {}
                Record::Head(_) => return Err(format!("head {id:?} below a head")),
            }
            self.has_a_reason(id, record)?;
        }
        if (head.connected, head.pending) != (connected, pending) {
            return Err(format!(
                "head says {} connected, {} pending; its legs say {connected}, {pending}",
                head.connected, head.pending
            ));
        }
        let none = head.live && head.group.is_none() && connected > 0 && administrators == 0;
        if head.administrators != administrators || none {
            return Err(format!(
                "head says {} administrators, its legs say {administrators}",
                head.administrators
            ));
        }
        if connected + pending > head.max_participants {
            return Err(format!(
                "{connected} connected and {pending} pending, {} allowed",
                head.max_participants
            ));
        }
        life_is_right(head, below)
    }

    /// Every record is waited for by a deadline, is somebody's place in the session, or is waited for
    /// by another record that has a reason.
    fn has_a_reason(&self, id: Id, record: &Record) -> Result<(), String> {
        let stays = |id: &Id| self.records.root_of(*id).is_some();
        let due = |id: &Id| self.records.deadline(*id).is_some();
        let reason = match record {
            Record::Leg(leg) => {
                if let Some(gone) = leg.subscriptions.iter().find(|refer| !stays(refer)) {
                    return Err(format!("{id:?} carries {gone:?}, which is gone"));
                }
                leg.is_connected() || due(&id) || leg.subscriptions.iter().any(due)
            }
            Record::Refer(refer) => {
                let told = match (&refer.carrier, &refer.subscription) {
                    (_, None) => false,
                    (Carrier::In(holder), Some(_)) => due(&id) || due(holder),
                    (_, Some(_)) => due(&id),
                };
                let waits = self.awaited_legs(id).iter().any(due);
                self.targets_are_right(id, refer)?;
                told || waits || due(&id) || refer.later_refers.iter().any(stays)
            }
            Record::ConferenceSubscription(subscription) => {
                let told = matches!(&subscription.carrier, Carrier::In(holder) if due(holder));
                told || due(&id)
            }
            Record::Target(target) => stays(&target.refer),
            Record::History(_) => self
                .records
                .rows()
                .any(|(_, row)| matches!(&row.record, Record::Refer(it) if it.history == Some(id))),
            Record::RejoinRights(_)
            | Record::Head(_)
            | Record::ChangeLog(_)
            | Record::Subscribers(_) => true,
        };
        if reason {
            return Ok(());
        }
        Err(format!("{id:?} stays for ever: {record:?}"))
    }

    /// Legs whose outcome targets of this REFER wait for; a leg that waits for more than one of them more than once.
    fn awaited_legs(&self, refer: Id) -> Vec<Id> {
        let mut legs = Vec::new();
        for (id, record) in self
            .records
            .below(self.records.root_of(refer).unwrap_or(refer))
        {
            if let Record::Leg(leg) = record {
                let mine = leg.awaited_by.iter().filter(|it| it.refer == refer);
                legs.extend(mine.map(|_| id));
            }
        }
        legs
    }

    /// The REFER counts its targets right: each one without a result waits for a leg.
    fn targets_are_right(&self, id: Id, refer: &Refer) -> Result<(), String> {
        let root = self.records.root_of(id).unwrap_or(id);
        let (mut count, mut unsettled) = (0, 0);
        for (_, record) in self.records.below(root) {
            if let Record::Target(target) = record {
                let mine = target.refer == id;
                count += u32::from(mine);
                unsettled += u32::from(mine && target.outcome.is_none());
            }
        }
        let list = refer.targets;
        let awaited = self.awaited_legs(id).len();
        let right = (list.count, list.unsettled, awaited) == (count, unsettled, unsettled as usize);
        match right {
            true => Ok(()),
            false => Err(format!(
                "{id:?} says {list:?}; there are {count}, {unsettled} without a result, {awaited} waiting"
            )),
        }
    }

    /// Nothing goes on any more and everybody answers: what is left is what may stay.
    pub fn assert_calm(&self) {
        if let Err(why) = self.is_calm() {
            self.fail(&why);
        }
    }

    fn is_calm(&self) -> Result<(), String> {
        if self.faults.forgets == 0 {
            self.ledger.settled()?;
            self.both_ends_agree()?;
            self.nobody_complains()?;
        }
        let (mut sessions, mut participants) = (0, 0);
        for (id, row) in self.records.rows() {
            match &row.record {
                Record::Head(head) if head.live => {
                    sessions += 1;
                    participants += i64::from(head.connected);
                }
                Record::Leg(leg) if leg.is_connected() && leg.dialog.is_idle() => {}
                Record::RejoinRights(_) | Record::ChangeLog(_) | Record::Subscribers(_) => {}
                Record::ConferenceSubscription(it) if it.common.ending.is_none() => {}
                other => return Err(format!("{id:?} is left over: {other:?}")),
            }
        }
        let counted = (
            self.counted(Counter::Sessions),
            self.counted(Counter::Participants),
        );
        if counted != (sessions, participants) {
            return Err(format!(
                "statistics say {counted:?}, there are {sessions} sessions and {participants} participants"
            ));
        }
        Ok(())
    }

    fn nobody_complains(&self) -> Result<(), String> {
        for peer in self.peers.iter().filter(|peer| !peer.unreliable) {
            if let Some(complaint) = peer.complaints.first() {
                return Err(format!("{} complains: {complaint}", peer.name));
            }
        }
        Ok(())
    }

    /// A dialog is up at both ends or at none (I8). Who does not answer is left out.
    fn both_ends_agree(&self) -> Result<(), String> {
        let mut ours = BTreeSet::new();
        for (_, row) in self.records.rows() {
            if let Record::Leg(leg) = &row.record {
                if leg.state == LegState::Connected {
                    let dialog = &leg.dialog;
                    let tag = text(dialog.remote_tag.as_ref());
                    ours.insert((dialog.call_id.clone(), tag));
                }
            }
        }
        let mut theirs = BTreeSet::new();
        let mut silent = BTreeSet::new();
        for peer in &self.peers {
            let m = &peer.manners;
            let deaf = peer.unreliable || m.dead || m.bye.is_none() || !m.acks;
            for dialog in &peer.dialogs {
                let key = (dialog.call_id.clone(), dialog.local_tag.clone());
                if deaf {
                    silent.insert(key);
                } else if dialog.how != How::Referred && dialog.stage == Stage::Up {
                    theirs.insert(key);
                }
            }
        }
        ours.retain(|key| !silent.contains(key));
        if ours == theirs {
            return Ok(());
        }
        let only_ours: Vec<_> = ours.difference(&theirs).collect();
        let only_theirs: Vec<_> = theirs.difference(&ours).collect();
        Err(format!(
            "dialogs only the focus has: {only_ours:?}; dialogs only a peer has: {only_theirs:?}"
        ))
    }
}

fn life_is_right(head: &Head, below: usize) -> Result<(), String> {
    let too_few = head.had_minimum && head.connected + head.pending < head.min_participants;
    match head.live {
        true if head.connected == 0 => Err("a live session of nobody".into()),
        true if too_few => Err("a live session of too few".into()),
        false if head.connected + head.pending > 0 => Err("somebody is in an ended session".into()),
        false if below == 0 => Err("an ended session stays without records".into()),
        _ => Ok(()),
    }
}

/// An answer only where there is a request, once, and before anything is sent; an INVITE only after it.
fn actions_fit(input: &Input<'_>, actions: &[Action]) -> Result<(), String> {
    let asked = matches!(
        input,
        Input::InviteReceived(_)
            | Input::FactoryInviteReceived(_)
            | Input::ReferReceived(_)
            | Input::SubscribeReceived(_)
            | Input::OptionsReceived(_)
            | Input::RequestReceived { .. }
    );
    let answers: Vec<usize> = actions
        .iter()
        .enumerate()
        .filter(|(_, action)| matches!(action, Action::Answer(_)))
        .map(|(index, _)| index)
        .collect();
    if answers.len() != usize::from(asked) {
        return Err(format!("{} answers to {input:?}", answers.len()));
    }
    let first_send = actions
        .iter()
        .position(|action| matches!(action, Action::Send(_) | Action::Cancel { .. }));
    if let (Some(answer), Some(send)) = (answers.first(), first_send) {
        if send < *answer {
            return Err("something is sent before the answer".into());
        }
    }
    let refused = actions
        .iter()
        .any(|action| matches!(action, Action::Answer(answer) if answer.code >= 300));
    let invites = actions
        .iter()
        .any(|action| matches!(action, Action::Send(o) if o.method == Method::Invite));
    if refused && invites {
        return Err("an INVITE although the request was refused".into());
    }
    Ok(())
}
