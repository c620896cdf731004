//! What a commit is asked to do, and why it may refuse.

use super::id::{Key, RecordId};

/// What a commit does to one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The record. For a new one, an identity from [`Locked::new_id`](super::Locked::new_id).
    pub id: RecordId,
    /// The record above it; `None` for a root. It cannot change later. Both may be made in one commit.
    /// Ignored when deleting.
    pub parent: Option<RecordId>,
    /// The new body as a whole. `None` deletes the record, and does nothing if it is gone already. A
    /// record with children can be deleted only together with all of them.
    pub body: Option<Vec<u8>>,
    /// All its keys after the commit; `None`: those it has. At most one record of the engine has a key. One
    /// commit can move a key from one record to another. Ignored when deleting.
    pub keys: Option<Vec<Key>>,
    /// When it is due, in milliseconds of the clock that [`Engine::due`](super::Engine::due) gets.
    /// `Some(u64::MAX)` is never, like `None`. A record that is due stays due if its deadline is the same
    /// as before. Ignored when deleting.
    pub deadline: Option<u64>,
}

/// Why a commit was refused. It changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// The allocator has no room.
    #[error("shared memory is full")]
    Full,
    /// Another record has the key, or is just getting it by a commit of another process. That commit may
    /// be refused in the end.
    #[error("another record has the key {0:?}")]
    KeyTaken(Key),
    /// A commit reaches only families of the anchor that is locked.
    #[error("record {0} belongs to another anchor than the one that is held")]
    WrongAnchor(RecordId),
    /// The parent of a new record is gone, is deleted in the same commit, or is below the record itself.
    #[error("there is no record {0} to be a parent")]
    UnknownParent(RecordId),
    /// At least one child stays.
    #[error("record {0} cannot be deleted before its children")]
    HasChildren(RecordId),
    /// The parent differs from the one the record was made with.
    #[error("record {0} cannot get another parent")]
    Moved(RecordId),
    /// Two changes name the same record.
    #[error("record {0} is changed twice in one commit")]
    Repeated(RecordId),
    /// No call of [`Locked::new_id`](super::Locked::new_id) returned this identity.
    #[error("the identity {0} was never handed out")]
    NeverIssued(RecordId),
}
