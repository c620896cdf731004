//! What a commit is asked to do, and why it may refuse.

use super::id::{Key, RecordId};

/// What one record is to be after a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// From `new_id`, or of a record that is there.
    pub id: RecordId,
    /// The record above; fixed when the record is made. It may be made in the same commit.
    pub parent: Option<RecordId>,
    /// The whole body; `None` deletes the record (nothing happens if it is gone already). Its children
    /// must be gone, or be deleted in the same commit.
    pub body: Option<Vec<u8>>,
    /// All keys it has afterwards. A key belongs to one record of the engine at most; it may pass from one
    /// to another in one commit. Ignored when deleting.
    pub keys: Vec<Key>,
    /// When it is due, in the clock of `due`. The deadline it has already changes nothing: it stays due
    /// if it is. Ignored when deleting; `Some(u64::MAX)` is never.
    pub deadline: Option<u64>,
}

/// Why a commit was refused. Nothing was changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    #[error("shared memory is full")]
    Full,
    /// Or somebody is about to give it to another one, in a commit that may yet be refused.
    #[error("another record has the key {0:?}")]
    KeyTaken(Key),
    #[error("record {0} belongs to another anchor than the one that is held")]
    WrongAnchor(RecordId),
    #[error("there is no record {0} to be a parent")]
    UnknownParent(RecordId),
    #[error("record {0} cannot be deleted before its children")]
    HasChildren(RecordId),
    #[error("record {0} cannot get another parent")]
    Moved(RecordId),
    #[error("record {0} is changed twice in one commit")]
    Repeated(RecordId),
    #[error("the identity {0} was never handed out")]
    NeverIssued(RecordId),
}
