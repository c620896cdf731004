//! The conference event package (RFC 4575): who may subscribe, what changed, what a document shows, and
//! the NOTIFYs that carry it.

mod changes;
mod document;
mod notify;
mod subscribe;
