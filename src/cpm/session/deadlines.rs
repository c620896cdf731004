//! A deadline of a record came: whatever of it is due by now.

use super::Session;
use crate::cpm::records::ids::Id;
use crate::cpm::records::LegState;

impl Session<'_> {
    /// Whatever of this record is due by now.
    pub(super) fn deadline_reached(&mut self, record: Id) {
        if record == self.id {
            return self.end_if_inactive();
        }
        self.lost_requests(record);
        self.subscription_deadline(record);
        self.session_timer_deadline(record);
        self.change_log_deadline(record);
        self.leg_deadline(record);
    }

    fn leg_deadline(&mut self, id: Id) {
        let now = self.env.now;
        let Some(leg) = self.records.leg(id) else {
            return;
        };
        let (state, ack) = (leg.state, leg.awaited_ack);
        if ack.is_some_and(|ack| ack.until <= now) {
            self.ack_missing(id);
        }
        match state {
            LegState::Waiting { at } if at <= now => self.invite_in_turn(id),
            LegState::Inviting { ring_until, .. } if ring_until <= now => self.rang_too_long(id),
            LegState::Withdrawn { until, .. } if until <= now => {
                if let Some(leg) = self.records.leg_mut(id) {
                    leg.state = LegState::Left;
                }
            }
            _ => {}
        }
    }
}
