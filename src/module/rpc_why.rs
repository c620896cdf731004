//! `cpm.why`: the decision trail of a REFER, kept in shared memory and read by its id or Call-ID.

use super::rpc_names::wants_full;
use super::runtime::{runtime, Runtime};
use crate::cpm::records::ReferId;
use crate::cpm::time::utc;
use crate::cpm::trail_entries::{self, TrailEntries, TrailEntry};
use crate::kamailio::clock;
use crate::kamailio::rpc::{command, Doc, Fault, Rpc, RpcCommand};
use crate::store::ring::{Moment, Share, Trail};

static WHY_DOC: Doc = Doc::new(
    c"The decision trail of a REFER; parameters: its refer-id (of the log lines) or its Call-ID; \"full\" names the anonymous too",
);

/// `cpm.why`: the decision trail of a REFER.
pub const WHY: RpcCommand = command(c"cpm.why", &WHY_DOC, why);

/// Adds to trails, if any are kept.
pub fn record(runtime: &Runtime, added: &TrailEntries) {
    let Some(trails) = &runtime.trails else {
        return;
    };
    let monotonic = clock::monotonic_ms();
    // What is added to a trail comes after its beginning.
    for (refer, entry) in added.iter() {
        if let TrailEntry::Opened { call_id, refused } = entry {
            let share = match refused {
                true => Share::Refused,
                false => Share::Accepted,
            };
            let now = Moment {
                monotonic,
                wall: clock::wall_ms(),
            };
            trails.open(refer.0, call_id, share, now);
        }
    }
    let notes = added.iter().filter_map(|(refer, entry)| match entry {
        TrailEntry::Note(note) => Some((refer.0, note)),
        TrailEntry::Opened { .. } => None,
    });
    trails.append(notes, monotonic);
}

fn why(rpc: &mut Rpc<'_>) -> Result<(), Fault> {
    let runtime = runtime().ok_or_else(|| Fault::new(503, "the module is not initialised"))?;
    let wanted = rpc
        .next_string()
        .ok_or_else(|| Fault::new(400, "expected: cpm.why <refer-id | Call-ID> [full]"))?;
    let full = wants_full(rpc)?;
    let Some(trails) = &runtime.trails else {
        return Err(Fault::new(404, "no trails are kept: trail_size is 0"));
    };
    let by_id = ReferId::parse(&wanted).and_then(|id| trails.find(id.0));
    let found = match by_id {
        Some(trail) => vec![trail],
        None => trails.named(&wanted),
    };
    let (newest, earlier) = found.split_first().ok_or_else(|| {
        Fault::new(
            404,
            format!(
                "no such REFER among the last {} (trail_size)",
                runtime.config.trail_size
            ),
        )
    })?;
    print(rpc, newest, earlier, full);
    Ok(())
}

/// The lines stand beside the structure, not in it: ctl bounds a structure more narrowly than an answer.
fn print(rpc: &mut Rpc<'_>, trail: &Trail, earlier: &[Trail], full: bool) {
    let mut head = rpc.add_struct();
    head.string(c"refer", &ReferId(trail.id).to_string())
        .string(c"call_id", &trail.name)
        .string(c"received", &utc(trail.opened));
    if !earlier.is_empty() {
        let ids = earlier.iter().take(MOST_EARLIER);
        let ids: Vec<String> = ids.map(|other| ReferId(other.id).to_string()).collect();
        head.string(c"earlier", &ids.join(" "));
    }
    for (after, note) in &trail.entries {
        let line = trail_entries::line(note, full);
        let line = line.as_deref().unwrap_or(UNREADABLE);
        rpc.add_string(&format!("+{after} ms {line}"));
    }
    if trail.lost > 0 {
        rpc.add_string(&format!("… {} more lines had no room", trail.lost));
    }
}

/// Stands for an entry that is no note.
const UNREADABLE: &str = "(unreadable)";

/// How many earlier REFERs with the same Call-ID (those of one dialog) are named.
const MOST_EARLIER: usize = 20;
