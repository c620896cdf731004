//! What reached an endpoint, and waiting for it: every wait ends with the event or with its deadline.
//! All messages stay here, so that a test can look at every byte that arrived.

use super::sip::Msg;
use super::transport::Path;
use super::SOON;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// A message as it arrived.
pub struct Incoming {
    pub msg: Msg,
    pub raw: Vec<u8>,
    pub path: Path,
    pub at: Instant,
    /// The same request with the same branch had been here before.
    pub again: bool,
}

#[derive(Default)]
pub struct Inbox {
    entries: Mutex<Vec<Entry>>,
    changed: Condvar,
}

struct Entry {
    incoming: Arc<Incoming>,
    taken: bool,
}

impl Inbox {
    pub fn push(&self, incoming: Incoming) {
        self.entries
            .lock()
            .expect("no panic under this lock")
            .push(Entry {
                incoming: Arc::new(incoming),
                taken: false,
            });
        self.changed.notify_all();
    }

    /// Takes the oldest message not yet taken that `wanted` accepts; retransmitted requests are passed over.
    pub fn take(
        &self,
        wait: Duration,
        wanted: impl Fn(&Incoming) -> bool,
    ) -> Option<Arc<Incoming>> {
        self.until(wait, |entries| {
            let entry = entries
                .iter_mut()
                .find(|e| !e.taken && !e.incoming.again && wanted(&e.incoming))?;
            entry.taken = true;
            Some(entry.incoming.clone())
        })
    }

    /// Waits until `enough` is content with everything that has arrived (taken or not, retransmissions too).
    pub fn wait_for_all(&self, wait: Duration, enough: impl Fn(&[Arc<Incoming>]) -> bool) -> bool {
        self.until(wait, |entries| {
            let all: Vec<_> = entries.iter().map(|e| e.incoming.clone()).collect();
            enough(&all).then_some(())
        })
        .is_some()
    }

    /// Everything that has arrived so far, in order.
    pub fn all(&self) -> Vec<Arc<Incoming>> {
        self.entries
            .lock()
            .expect("no panic under this lock")
            .iter()
            .map(|e| e.incoming.clone())
            .collect()
    }

    /// Forgets everything: for tests with very many messages.
    pub fn clear(&self) {
        self.entries
            .lock()
            .expect("no panic under this lock")
            .clear();
    }

    fn until<T>(
        &self,
        wait: Duration,
        mut look: impl FnMut(&mut Vec<Entry>) -> Option<T>,
    ) -> Option<T> {
        let deadline = Instant::now() + wait;
        let mut entries = self.entries.lock().expect("no panic under this lock");
        loop {
            if let Some(found) = look(&mut entries) {
                return Some(found);
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            entries = self
                .changed
                .wait_timeout(entries, left)
                .expect("no panic under this lock")
                .0;
        }
    }
}

/// A request that was sent and whose answers are waited for.
pub struct Pending {
    pub ua: super::Ua,
    pub msg: Msg,
    pub bytes: Vec<u8>,
    pub branch: String,
    pub to: std::net::SocketAddr,
    pub transport: super::Transport,
}

impl Pending {
    /// The final answer; panics when none comes.
    pub fn answer(&self) -> Msg {
        self.answer_within(SOON)
            .unwrap_or_else(|| panic!("no final answer to:\n{}", self.msg))
    }

    pub fn answer_within(&self, wait: Duration) -> Option<Msg> {
        self.response(wait, |status| status >= 200)
            .map(|i| i.msg.clone())
    }

    /// The next response (provisional or final) with a status that `wanted` accepts.
    /// Panics when it has another To-tag than the request had (RFC 3261 section 8.2.6.2).
    pub fn response(&self, wait: Duration, wanted: impl Fn(u16) -> bool) -> Option<Arc<Incoming>> {
        let found = self
            .ua
            .inbox()
            .take(wait, |i| self.is_response(i) && wanted(i.msg.status()))?;
        let (asked, answered) = (self.msg.tag_to(), found.msg.tag_to());
        assert!(asked.is_none() || asked == answered, "{}", found.msg);
        Some(found)
    }

    /// Whether that message answers this request.
    pub fn is_response(&self, incoming: &Incoming) -> bool {
        let msg = &incoming.msg;
        msg.status() > 0
            && msg.branch().as_deref() == Some(self.branch.as_str())
            && (self.msg.method().is_empty() || msg.cseq_method() == self.msg.method())
    }

    /// Sends the very same bytes again.
    pub fn resend(&self) {
        self.ua.send_raw(self.to, self.transport, &self.bytes);
    }
}
