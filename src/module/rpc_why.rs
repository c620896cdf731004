//! `cpm.why`: the decision trail of a REFER, kept in shared memory and read by its id or Call-ID.

use super::rpc_names::wants_full;
use super::runtime::{runtime, Runtime};
use crate::cpm::action::TrailEntry;
use crate::cpm::records::ReferId;
use crate::cpm::redact::trail_line;
use crate::cpm::time::utc;
use crate::kamailio::clock;
use crate::kamailio::rpc::{command, Doc, Fault, Rpc, RpcCommand};
use crate::store::ring::{Moment, Share, Trail};

static WHY_DOC: Doc = Doc::new(
    c"The decision trail of a REFER; parameters: its refer-id (of the log lines) or its Call-ID; \"full\" names the anonymous too",
);

/// `cpm.why`: the decision trail of a REFER.
pub const WHY: RpcCommand = command(c"cpm.why", &WHY_DOC, why);

/// Adds to the trail of a REFER, if trails are kept.
pub fn record(runtime: &Runtime, refer: ReferId, entry: &TrailEntry) {
    let Some(trails) = &runtime.trails else {
        return;
    };
    let now = Moment {
        monotonic: clock::monotonic_ms(),
        wall: clock::wall_ms(),
    };
    match entry {
        TrailEntry::Opened { call_id, refused } => {
            let share = match refused {
                true => Share::Refused,
                false => Share::Accepted,
            };
            trails.open(refer.0, call_id, share, now);
        }
        TrailEntry::Line(line) => trails.append(refer.0, line, now),
    }
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
    for (after, line) in &trail.lines {
        let line = trail_line(line, full);
        rpc.add_string(&format!("+{after} ms {line}"));
    }
    if trail.lost > 0 {
        rpc.add_string(&format!("… {} more lines had no room", trail.lost));
    }
}

/// How many earlier REFERs with the same Call-ID (those of one dialog) are named.
const MOST_EARLIER: usize = 20;
