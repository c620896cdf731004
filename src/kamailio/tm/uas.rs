//! Requests that came to us: make a transaction, answer on it, recognise ACK and CANCEL.
//! Not here: what the answer is.
//!
//! Promise: a new transaction is referenced by the process that made it until the routing script of
//! this message ends. From the final answer on it lives for `wt_timer` (5 s), or longer while somebody
//! else refers to it, at most 90 s; as long as it lives `tm` absorbs retransmissions and repeats the
//! answer. A 2xx to INVITE is repeated until its ACK or `fr_timer`, over TCP too, which takes a
//! reference kept for it here: 5 s are too short (RFC 3261 section 13.3.1.4). No lock is held here.
//! A request left without a final answer when the script ends is put away by `tm`: answer at once.

use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicI32, AtomicPtr, Ordering};

use super::Tm;
use crate::kamailio::guard::guard;
use crate::kamailio::message::Message;
use crate::kamailio::text;
use crate::kamailio_sys as sys;

/// What became of a request given to [`Tm::new_transaction`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewTransaction {
    /// Ours to answer.
    Created,
    /// Seen before; `tm` repeated the answer. Nothing to do.
    Retransmission,
}

/// What became of an ACK or CANCEL given to `tm`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AckOrCancel {
    /// It belongs to a transaction of this server; `tm` has done its part of it.
    Matched,
    /// No transaction known. For an ACK to a 2xx this is what an end-to-end ACK looks like.
    Unmatched,
}

/// An answer to the current request.
#[derive(Debug, Clone, Copy)]
pub struct Reply<'a> {
    /// 100-699.
    pub code: u16,
    pub reason: &'a str,
    /// Our tag; used only if the request has none yet. `None`: tm's own, the same for
    /// every answer to this request.
    pub to_tag: Option<&'a str>,
    /// Whole lines, each ended by CRLF, or empty. Content-Type is among them, Content-Length is not.
    pub headers: &'a str,
    pub body: &'a [u8],
}

/// Why a transaction was not made or not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TmError {
    #[error("there is no transaction to answer on")]
    NoTransaction,
    #[error("the headers of a reply must be lines that end in CRLF, its reason and tag one line")]
    BadReply,
    #[error("kamailio cannot read the request")]
    Malformed,
    #[error("out of shared memory")]
    OutOfMemory,
    #[error("the request was answered or cancelled before")]
    AlreadyAnswered,
    #[error("tm failed (code {0}); its reason stands in the lines above")]
    Failed(i32),
}

impl Tm {
    /// Makes the transaction of this request (not ACK), or finds that it is a retransmission.
    pub fn new_transaction(&self, message: &Message<'_>) -> Result<NewTransaction, TmError> {
        let create = self.api.main.t_newtran.ok_or(TmError::NoTransaction)?;
        // SAFETY: the request in hand; tm copies what it keeps.
        match unsafe { create(message.as_ptr()) } {
            0 => Ok(NewTransaction::Retransmission),
            code if code > 0 => Ok(NewTransaction::Created),
            // The script has made it before it called us.
            code if code == sys::E_SCRIPT && self.current().is_some() => {
                Ok(NewTransaction::Created)
            }
            // tm gives that code too when it found no end of the headers.
            code if code == sys::E_BAD_REQ || message.end_of_headers().is_none() => {
                Err(TmError::Malformed)
            }
            code if code == sys::E_OUT_OF_MEM => Err(TmError::OutOfMemory),
            code => Err(TmError::Failed(code)),
        }
    }

    /// Answers the current transaction.
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
            // tm would put ours in the place of the one that is there (RFC 3261 section 8.2.6.2).
            _ if message.has_to_tag() => Vec::new(),
            Some(tag) => tag.as_bytes().to_vec(),
            None => self.reply_tag(message).unwrap_or_default(),
        };
        let answered_before = {
            // SAFETY: T is a cell this process holds a reference to.
            let status = unsafe { (*cell).uas.status };
            status >= 200
        };
        if answered_before {
            return Err(TmError::AlreadyAnswered);
        }

        let (mut reason, mut tag) = (text::str_of(reason.as_bytes()), text::str_of(&tag));
        let (mut headers, mut body) = (text::str_of(headers.as_bytes()), text::str_of(body));
        if message.method() == b"INVITE" && (200..300).contains(&code) {
            self.keep_until_ack(message, cell);
        }
        // SAFETY: T's reference belongs to the script and is given up at its end, while
        // t_reply_with_body gives one up itself: it gets one of its own here. Without it the cell is
        // freed while still in tm's table, and the answer is never repeated.
        let result = unsafe {
            references(cell).fetch_add(1, Ordering::SeqCst);
            let code = u32::from(code);
            send(cell, code, &mut reason, &mut body, &mut headers, &mut tag)
        };
        // On -1 the reference may or may not have been given up, which tm does not tell (it is kept
        // only when private memory ran out). One too many costs the cell's memory for the 90 s after
        // which tm frees it anyway, one too few a crash.
        if result < 0 {
            return Err(TmError::Failed(result));
        }
        Ok(())
    }

    /// tm's own To-tag for answers to this request: the same for a retransmission of it.
    pub fn reply_tag(&self, message: &Message<'_>) -> Option<Vec<u8>> {
        let get = self.api.main.t_get_reply_totag?;
        let mut tag = text::str_of(b"");
        // SAFETY: fills in a str that points into a static buffer of tm, copied at once.
        unsafe {
            if get(message.as_ptr(), &mut tag) < 0 {
                return None;
            }
            Some(text::bytes_of(&tag).to_vec())
        }
    }

    /// For an ACK: stops the repetition of the answer it belongs to.
    pub fn check_transaction(&self, message: &Message<'_>) -> Result<AckOrCancel, TmError> {
        let check = self.api.extra.t_check_trans.ok_or(TmError::NoTransaction)?;
        // SAFETY: the request in hand. What T refers to afterwards is released at the script's end.
        match unsafe { check(message.as_ptr()) } {
            0 => Ok(AckOrCancel::Matched),
            1 if message.method() == b"CANCEL" => Ok(AckOrCancel::Matched),
            _ => Ok(AckOrCancel::Unmatched),
        }
    }

    /// For a CANCEL: `tm` answers it 200 and its INVITE, if that still waits, 487.
    /// `Unmatched`: nothing was sent; the answer is 481 (RFC 3261 section 9.2).
    pub fn cancel_received(&self, message: &Message<'_>) -> Result<AckOrCancel, TmError> {
        let none = std::ptr::null_mut();
        // SAFETY: the function of the routing script, which takes no parameters besides the request.
        match unsafe { (self.api.relay_cancel)(message.as_ptr(), none, none) } {
            0 => Ok(AckOrCancel::Matched),
            1 => Ok(AckOrCancel::Unmatched),
            code => Err(TmError::Failed(code)),
        }
    }

    /// For a reply, in the reply callback of `script`: whether `tm` still has the transaction it
    /// answers. If it has, the response handler is called from within, and not again later. Takes a
    /// hash lock of tm; ask only for replies that look like ours.
    pub fn knows_reply(&self, message: &Message<'_>) -> bool {
        let Some(check) = self.api.main.t_check else {
            return true;
        };
        let _saved = self.save_t();
        let mut branch: i32 = 0;
        // SAFETY: t_check leaves a referenced cell in T when it finds one; that reference is given
        // back here before T is restored. T_UNDEFINED makes it look anew.
        unsafe {
            if let Some(set) = self.api.main.t_sett {
                set(sys::T_UNDEFINED, sys::T_BR_UNDEFINED);
            }
            check(message.as_ptr(), &mut branch);
            match (self.current(), self.api.main.unref_cell) {
                (Some(cell), Some(unref)) => {
                    unref(cell);
                    true
                }
                _ => false,
            }
        }
    }

    /// Holds a reference until the ACK, so that the transaction outlives `wt_timer`. tm frees the
    /// cell after 90 s even if none comes. When the callback cannot be registered the answer is
    /// repeated for `wt_timer` only.
    fn keep_until_ack(&self, message: &Message<'_>, cell: *mut sys::cell) {
        let Some(register) = self.api.main.register_tmcb else {
            return;
        };
        // SAFETY: T is referenced by this process. The reference comes before the callback that
        // gives it back; the parameter only says "not given back yet" by not being NULL.
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

/// The counter of a cell: an `atomic_t` (one int) that all processes change atomically only.
///
/// # Safety
/// `cell` must be a transaction this process holds a reference to, for as long as the result is used.
unsafe fn references<'a>(cell: *mut sys::cell) -> &'a AtomicI32 {
    // SAFETY: promised by the caller; the counter lies in shared memory, aligned.
    unsafe { AtomicI32::from_ptr(std::ptr::addr_of_mut!((*cell).ref_count.val).cast::<i32>()) }
}

/// An ACK matched a transaction of ours: gives the reference of `keep_until_ack` back, once however
/// often the ACK comes.
unsafe extern "C" fn on_ack(cell: *mut sys::cell, _kind: i32, params: *mut sys::tmcb_params) {
    guard("an ACK callback", (), || {
        // SAFETY: tm passes its struct, whose `param` is the address of our parameter in the shared
        // callback record; the cell is referenced by this process, as it handles the ACK, so the
        // counter cannot reach 0 here.
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
