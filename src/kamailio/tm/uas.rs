//! Requests that were received: making a transaction, replying on it, recognising ACK and CANCEL.
//!
//! The process that makes a transaction holds a reference to it until the routing script of this message
//! ends. After the final reply the transaction lives for `wt_timer` (5 s), and longer while somebody holds
//! a reference, at most 90 s. As long as it lives, tm absorbs retransmissions of the request and
//! retransmits the reply.
//!
//! tm retransmits a 2xx to INVITE until the ACK comes or `fr_timer` ends, over TCP too. 5 s are too short
//! for that (RFC 3261 section 13.3.1.4), so this file holds a reference until the ACK.
//!
//! tm discards a request that has no final reply when the script ends. So the reply has to be sent before.
//! tm holds no lock here.

use std::borrow::Cow;
use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicI32, AtomicPtr, Ordering};

use super::{events, Tm};
use crate::kamailio::message::Message;
use crate::kamailio::panic_guard::guard;
use crate::kamailio::str_conversion;
use crate::kamailio_sys as sys;

/// What [`Tm::new_transaction`] made of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewTransaction {
    /// There is a transaction, and the request has to be answered.
    Created,
    /// The request is a retransmission. tm has retransmitted the reply, and nothing is left to do.
    Retransmission,
}

/// What tm made of an ACK or CANCEL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AckOrCancel {
    /// It belongs to a transaction of this server, and tm has handled it.
    Matched,
    /// It belongs to no transaction that tm knows. An ACK to a 2xx that tm no longer retransmits is one.
    Unmatched,
}

/// What tm knows of a reply that was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KnownReply {
    /// It belongs to a transaction.
    Known,
    /// It belongs to a transaction of ours, and the response handler ignored it.
    Ignored,
    /// It belongs to no transaction that tm knows (any more).
    Unknown,
}

/// A reply to the current request.
#[derive(Debug, Clone, Copy)]
pub struct Reply<'a> {
    /// The status code, 100 to 699.
    pub code: u16,
    /// The reason phrase.
    pub reason: &'a str,
    /// The tag of To, for a request that has none. `None`: tm's own tag, which is the same for all replies
    /// to this request.
    pub to_tag: Option<&'a str>,
    /// Further headers: empty, or whole lines that each end in CRLF. Content-Type is among them,
    /// Content-Length is not.
    pub headers: &'a str,
    /// The body; empty for none.
    pub body: &'a [u8],
}

/// Why a transaction was not made, or a reply not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TmError {
    /// The current message has no transaction, or tm lacks the function.
    #[error("there is no transaction to answer on")]
    NoTransaction,
    /// A part of the reply would break the message.
    #[error("the headers of a reply must be lines that end in CRLF, its reason and tag one line")]
    BadReply,
    /// tm could not parse the headers of the request.
    #[error("kamailio cannot read the request")]
    Malformed,
    /// tm has no shared memory for the transaction.
    #[error("out of shared memory")]
    OutOfMemory,
    /// The transaction has a final reply. tm gives one (487) to an INVITE that is cancelled.
    #[error("the request was answered or cancelled before")]
    AlreadyAnswered,
    /// Holds the negative code that tm returned.
    #[error("tm failed (code {0}); its reason stands in the lines above")]
    Failed(i32),
}

impl Tm {
    /// Makes the transaction of a request other than ACK, or finds that it is a retransmission.
    ///
    /// # Errors
    /// [`TmError`]. There is no transaction.
    pub fn new_transaction(&self, message: &Message<'_>) -> Result<NewTransaction, TmError> {
        let create = self.api.main.t_newtran.ok_or(TmError::NoTransaction)?;
        // SAFETY: `message` is the current request, and tm copies what it keeps.
        match unsafe { create(message.as_ptr()) } {
            0 => Ok(NewTransaction::Retransmission),
            code if code > 0 => Ok(NewTransaction::Created),
            // The script made the transaction before it called this module.
            code if code == sys::E_SCRIPT && self.current().is_some() => {
                Ok(NewTransaction::Created)
            }
            // tm returns other codes too when it found no end of the headers.
            code if code == sys::E_BAD_REQ || message.end_of_headers().is_none() => {
                Err(TmError::Malformed)
            }
            code if code == sys::E_OUT_OF_MEM => Err(TmError::OutOfMemory),
            code => Err(TmError::Failed(code)),
        }
    }

    /// Sends a reply on the current transaction.
    ///
    /// # Errors
    /// [`TmError`]. The reply was not sent.
    pub fn reply(&self, message: &Message<'_>, reply: &Reply<'_>) -> Result<(), TmError> {
        let send = self
            .api
            .main
            .t_reply_with_body
            .ok_or(TmError::NoTransaction)?;
        let cell = self.current().ok_or(TmError::NoTransaction)?;
        let Reply {
            code,
            reason,
            to_tag,
            headers,
            body,
        } = *reply;
        let headers_well_formed =
            headers.is_empty() || (headers.ends_with("\r\n") && !headers.contains("\r\n\r\n"));
        let one_line = |text: &str| !text.chars().any(char::is_control);
        if !headers_well_formed || !one_line(reason) || !to_tag.is_none_or(one_line) {
            return Err(TmError::BadReply);
        }
        let tag = match to_tag {
            // The tag of the request has to stay (RFC 3261 section 8.2.6.2). tm would replace it by ours.
            _ if message.has_to_tag() => Cow::Borrowed(&b""[..]),
            Some(tag) => Cow::Borrowed(tag.as_bytes()),
            None => Cow::Owned(self.reply_tag(message).unwrap_or_default()),
        };
        let answered_before = {
            // SAFETY: T is a cell that this process holds a reference to.
            let status = unsafe { (*cell).uas.status };
            status >= 200
        };
        if answered_before {
            return Err(TmError::AlreadyAnswered);
        }

        let (mut reason, mut tag) = (
            str_conversion::str_of(reason.as_bytes()),
            str_conversion::str_of(&tag),
        );
        let (mut headers, mut body) = (
            str_conversion::str_of(headers.as_bytes()),
            str_conversion::str_of(body),
        );
        if message.method() == b"INVITE" && (200..300).contains(&code) {
            self.keep_until_ack(message, cell);
        }
        // SAFETY: the reference of T belongs to the script and is given back at its end.
        // t_reply_with_body gives a reference back too, so it gets one of its own here. Otherwise the cell
        // would be freed while it is still in tm's table, and the reply would never be retransmitted.
        let result = unsafe {
            references(cell).fetch_add(1, Ordering::SeqCst);
            let code = u32::from(code);
            send(cell, code, &mut reason, &mut body, &mut headers, &mut tag)
        };
        // After -1 it is unknown whether tm gave the reference back: it does not when private memory runs
        // out. One reference too many keeps the cell for 90 s, when tm frees it anyway. One too few would
        // crash the server. So none is given back here.
        if result < 0 {
            return Err(TmError::Failed(result));
        }
        Ok(())
    }

    /// tm's To-tag for replies to this request. It is the same for a retransmission of the request.
    pub fn reply_tag(&self, message: &Message<'_>) -> Option<Vec<u8>> {
        let get = self.api.main.t_get_reply_totag?;
        let mut tag = str_conversion::str_of(b"");
        // SAFETY: the function fills in a str that points into a static buffer of tm. It is copied at once.
        unsafe {
            if get(message.as_ptr(), &mut tag) < 0 {
                return None;
            }
            Some(str_conversion::bytes_of(&tag).to_vec())
        }
    }

    /// Hands an ACK to tm, which stops retransmitting the reply that the ACK belongs to. For a CANCEL,
    /// finds out whether there is an INVITE it belongs to.
    ///
    /// # Errors
    /// [`TmError::NoTransaction`] when tm lacks the function.
    pub fn check_transaction(&self, message: &Message<'_>) -> Result<AckOrCancel, TmError> {
        let check = self.api.extra.t_check_trans.ok_or(TmError::NoTransaction)?;
        // SAFETY: `message` is the current request. The reference that T gets is given back at the end of
        // the script.
        match unsafe { check(message.as_ptr()) } {
            0 => Ok(AckOrCancel::Matched),
            1 if message.method() == b"CANCEL" => Ok(AckOrCancel::Matched),
            _ => Ok(AckOrCancel::Unmatched),
        }
    }

    /// Hands a CANCEL to tm. tm answers it with 200, and its INVITE with 487 if that has no final reply yet.
    /// When it is `Unmatched` tm sends nothing; the reply has to be 481 (RFC 3261 section 9.2).
    ///
    /// # Errors
    /// [`TmError::Failed`].
    pub fn cancel_received(&self, message: &Message<'_>) -> Result<AckOrCancel, TmError> {
        let none = std::ptr::null_mut();
        // SAFETY: the function is the one for routing scripts, which has no parameters besides the request.
        match unsafe { (self.api.relay_cancel)(message.as_ptr(), none, none) } {
            0 => Ok(AckOrCancel::Matched),
            1 => Ok(AckOrCancel::Unmatched),
            code => Err(TmError::Failed(code)),
        }
    }

    /// Whether tm still has the transaction that a reply belongs to. Only for the reply callback of `script`,
    /// where there is no T yet.
    ///
    /// If it has and the transaction is ours, tm calls the response handler inside this call, and not again
    /// for this reply. It takes a hash lock of tm.
    pub fn look_up_reply(&self, message: &Message<'_>) -> KnownReply {
        let (Some(check), Some(set)) = (self.api.main.t_check, self.api.main.t_sett) else {
            return KnownReply::Known;
        };
        let mut branch: i32 = 0;
        events::clear_ignored();
        // SAFETY: T_UNDEFINED makes t_check look up the transaction. If it finds one, it leaves the cell in
        // T with a reference, which is given back here. After that T is undefined again, so that tm looks
        // the transaction up once more when it is its turn: NULL would mean to it that there is none.
        unsafe {
            set(sys::T_UNDEFINED, sys::T_BR_UNDEFINED);
            check(message.as_ptr(), &mut branch);
            let cell = self.current();
            if let (Some(cell), Some(unref)) = (cell, self.api.main.unref_cell) {
                unref(cell);
            }
            set(sys::T_UNDEFINED, sys::T_BR_UNDEFINED);
            match cell {
                Some(_) if events::was_ignored() => KnownReply::Ignored,
                Some(_) => KnownReply::Known,
                None => KnownReply::Unknown,
            }
        }
    }

    /// Holds a reference to the transaction until the ACK comes, so that it outlives `wt_timer`. If none
    /// comes, tm frees the cell after 90 s. If the callback for the ACK cannot be registered, tm retransmits
    /// the reply for `wt_timer` only.
    fn keep_until_ack(&self, message: &Message<'_>, cell: *mut sys::cell) {
        let Some(register) = self.api.main.register_tmcb else {
            return;
        };
        // SAFETY: this process holds a reference to T. The new reference is taken before the callback that
        // gives it back is registered. The parameter is no address: as long as it is not NULL, the
        // reference was not given back.
        unsafe {
            references(cell).fetch_add(1, Ordering::SeqCst);
            let held = std::ptr::dangling_mut::<c_void>();
            let when = sys::TMCB_ACK_NEG_IN as i32;
            if register(message.as_ptr(), cell, when, Some(on_ack), held, None) != 1 {
                references(cell).fetch_sub(1, Ordering::SeqCst);
            }
        }
    }
}

/// The reference counter of a cell: an `atomic_t`, an int that all processes change atomically.
///
/// # Safety
/// As long as the result is used, this process holds a reference to `cell`.
unsafe fn references<'a>(cell: *mut sys::cell) -> &'a AtomicI32 {
    // SAFETY: promised by the caller. The counter is an aligned int in shared memory.
    unsafe { AtomicI32::from_ptr(std::ptr::addr_of_mut!((*cell).ref_count.val).cast::<i32>()) }
}

/// Called by tm for an ACK. Gives the reference of `keep_until_ack` back, once, even if the ACK comes more
/// than once.
unsafe extern "C" fn on_ack(cell: *mut sys::cell, _kind: i32, params: *mut sys::tmcb_params) {
    guard("an ACK callback", (), || {
        // SAFETY: tm passes a struct whose `param` is the address of our parameter in shared memory. This
        // process handles the ACK, so it holds another reference and the counter does not reach 0 here.
        unsafe {
            if let Some(params) = params.as_ref() {
                let held = AtomicPtr::from_ptr(params.param).swap(null_mut(), Ordering::SeqCst);
                if !held.is_null() {
                    references(cell).fetch_sub(1, Ordering::SeqCst);
                }
            }
        }
    });
}
