//! Graceful stop: the running sessions are ended, some per look, until the time is over.

use super::executor::{is_news, perform, Place};
use super::runtime::Runtime;
use crate::kamailio::log;
use crate::store::sessions::AccessError;

/// Sessions ended per look, so that the process that watches deadlines keeps watching them.
const AT_ONCE: usize = 50;

/// Ends some of the sessions that still live, and gives up what has not ended when the time is over;
/// called again and again while draining.
pub fn end_some(runtime: &Runtime) {
    let over = runtime.draining.left() == 0;
    let mut handled = 0;
    let mut after = None;
    loop {
        let page = runtime.store.sessions(after, AT_ONCE);
        for id in &page {
            let done = runtime.with_env(|env| {
                let mut changes = over;
                let actions = runtime.store.with_record(*id, env, |session| {
                    changes |= session.head().live;
                    match over {
                        true => session.give_up(),
                        false => session.drain(),
                    }
                });
                actions.map(|actions| (changes, actions))
            });
            match done {
                Ok((changes, actions)) => {
                    handled += usize::from(changes);
                    perform(runtime, actions, Place::Inline);
                    if over {
                        runtime.draining.count_given_up();
                    }
                }
                // It ended by itself meanwhile.
                Err(AccessError::NoSession) => {}
                Err(error) if is_news(&error) => {
                    log::warning!("a session is not ended yet: {error}");
                }
                Err(_) => {}
            }
        }
        match page.last() {
            Some(last) if page.len() == AT_ONCE && handled < AT_ONCE => after = Some(*last),
            _ => return,
        }
    }
}
