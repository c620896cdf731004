//! What waits behind the message that this process works on, as the operating system counts it.
//!
//! All processes of a UDP socket read from the same queue. A connection is read by one process, which alone has its
//! descriptor; Kamailio keeps that in the connection's record in shared memory. The process holds a reference to the
//! record while it works on a message of the connection.
//!
//! The calls take a microsecond and never wait. For a connection Kamailio takes its lock of all connections for a
//! moment, as it does whenever it sends.

use std::ffi::{c_int, c_void};
use std::mem::size_of_val;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::message::Message;
use super::sockets::Proto;
use crate::kamailio_sys as sys;

/// What waits in the queue that a message came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behind {
    /// For a UDP socket.
    Datagram {
        /// How long the datagram that was read last had waited, µs. `None` at the first look at the socket.
        waited: Option<u64>,
        /// How much of the socket's buffer is taken, in thousandths. What does not fit is lost.
        filled: u64,
    },
    /// For a connection.
    Stream {
        /// Bytes that were not handled yet.
        unread: u64,
    },
}

/// What waits behind `message`. `None` for one that this process did not receive itself.
pub fn behind(message: &Message<'_>) -> Option<Behind> {
    // SAFETY: the message lives as long as the callback, and nothing keeps the reference.
    let rcv = unsafe { &(*message.as_ptr()).rcv };
    match Proto::from_number(i64::from(rcv.proto))? {
        Proto::Udp => {
            // SAFETY: `bind_address` is NULL or one of Kamailio's socket records, which stay.
            let socket = unsafe { rcv.bind_address.as_ref() }?.socket;
            Some(Behind::Datagram {
                waited: waited(socket),
                filled: filled(socket)?,
            })
        }
        Proto::Sctp => None,
        Proto::Tcp | Proto::Tls | Proto::Ws | Proto::Wss => {
            let connection = Connection::find(rcv.proto_reserved1)?;
            let unread = unread(connection.socket()?)? + connection.buffered();
            Some(Behind::Stream { unread })
        }
    }
}

/// How long ago the datagram that was read last from `socket`, by whatever process, had arrived, µs. The first call
/// makes the system note that.
fn waited(socket: c_int) -> Option<u64> {
    // A struct __kernel_sock_timeval: seconds and microseconds.
    let mut arrived = [0i64; 2];
    // SAFETY: the call writes two numbers of 64 bits.
    let result = unsafe { libc::ioctl(socket, sys::CPM_SIOCGSTAMP as _, arrived.as_mut_ptr()) };
    if result < 0 {
        return None;
    }
    let [seconds, micros] = arrived.map(|part| u64::try_from(part).unwrap_or(0));
    let arrived = Duration::from_secs(seconds) + Duration::from_micros(micros);
    // The system takes this clock for it. Should it jump, a few messages seem to have waited long, or not at all.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    let waited = now.saturating_sub(arrived);
    Some(u64::try_from(waited.as_micros()).unwrap_or(u64::MAX))
}

/// How much of the receive buffer is taken, in thousandths. It may say up to a quarter of the buffer too much: the
/// system counts what was read in bulk.
fn filled(socket: c_int) -> Option<u64> {
    let mut figures = [0u32; 16];
    let mut length = size_of_val(&figures) as libc::socklen_t;
    // SAFETY: the call writes at most `length` bytes.
    let result = unsafe {
        let figures = figures.as_mut_ptr().cast::<c_void>();
        let option = sys::CPM_SO_MEMINFO as c_int;
        libc::getsockopt(socket, libc::SOL_SOCKET, option, figures, &mut length)
    };
    if result < 0 {
        return None;
    }
    let figure = |at: c_int| {
        figures
            .get(at as usize)
            .map_or(0, |value| u64::from(*value))
    };
    let taken = figure(libc::SK_MEMINFO_RMEM_ALLOC);
    Some(taken * 1_000 / figure(libc::SK_MEMINFO_RCVBUF).max(1))
}

/// Bytes that the system holds for a connection.
fn unread(socket: c_int) -> Option<u64> {
    let mut bytes: c_int = 0;
    // SAFETY: the call writes one int.
    let result = unsafe { libc::ioctl(socket, libc::FIONREAD, &mut bytes) };
    (result >= 0).then(|| u64::try_from(bytes).unwrap_or(0))
}

/// A reference to a connection.
struct Connection(*mut sys::tcp_connection);

impl Connection {
    fn find(id: c_int) -> Option<Connection> {
        // SAFETY: the function looks the connection up by its id and takes a reference. The other arguments are for
        // a search by address; a lifetime of 0 leaves that of the connection as it is.
        let found = unsafe { sys::tcpconn_get(id, null_mut(), 0, null_mut(), 0) };
        (!found.is_null()).then_some(Connection(found))
    }

    fn get(&self) -> &sys::tcp_connection {
        // SAFETY: as long as this value lives it holds a reference.
        unsafe { &*self.0 }
    }

    /// Its descriptor, if this is the process that reads from it.
    fn socket(&self) -> Option<c_int> {
        // SAFETY: the function gives the process its own number.
        let here = unsafe { sys::my_pid() };
        (self.get().reader_pid == here).then_some(self.get().fd)
    }

    /// Bytes behind this message that were read from the system already. Only for the process that reads.
    fn buffered(&self) -> u64 {
        let request = &self.get().req;
        (request.pos as u64).saturating_sub(request.parsed as u64)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // SAFETY: this is tcpconn_put of core/tcp_conn.h. The reader holds a reference of its own while it works on
        // a message, so the counter does not reach 0 here.
        unsafe {
            let count = std::ptr::addr_of_mut!((*self.0).refcnt.val).cast::<i32>();
            AtomicI32::from_ptr(count).fetch_sub(1, Ordering::SeqCst);
        }
    }
}
