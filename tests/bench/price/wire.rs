//! The sockets of the load: one UDP socket, or TCP connections both ways, read in one thread without blocking.

use super::message::framed;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use crate::kit::transport::bind_pair;
use crate::kit::Transport;

/// Connections to the server, so that all its TCP workers have some.
const CONNECTIONS: usize = 4;
/// Not among the trusted addresses.
const STRANGER: [u8; 4] = [127, 0, 0, 2];

/// Messages taken before what is due is sent.
const AT_ONCE: usize = 64;
/// Bytes of a stream that wait, to be read as messages or to be sent.
const MOST: usize = 1 << 18;

pub struct Wire {
    transport: Transport,
    udp: UdpSocket,
    stranger: UdpSocket,
    listener: TcpListener,
    /// The first ones are ours to the server, the others the server's to us.
    streams: Vec<Stream>,
    next: usize,
    buffer: Vec<u8>,
}

struct Stream {
    tcp: TcpStream,
    read: Vec<u8>,
    unsent: Vec<u8>,
}

/// Where a message came from, and where its answer goes.
#[derive(Clone, Copy)]
pub enum From {
    Udp,
    Stranger,
    Stream(usize),
}

impl Wire {
    pub fn new(transport: Transport) -> Wire {
        let (udp, listener) = bind_pair(Ipv4Addr::LOCALHOST.into());
        let stranger =
            UdpSocket::bind((Ipv4Addr::from(STRANGER), 0)).expect("another address of loopback");
        for socket in [&udp, &stranger] {
            socket.set_nonblocking(true).expect("a flag");
            with_room(socket.as_raw_fd());
        }
        listener.set_nonblocking(true).expect("a flag");
        Wire {
            transport,
            udp,
            stranger,
            listener,
            streams: Vec::new(),
            next: 0,
            buffer: vec![0; 65_536],
        }
    }

    pub fn local(&self) -> SocketAddr {
        self.udp.local_addr().expect("it is bound")
    }

    pub fn stranger(&self) -> SocketAddr {
        self.stranger.local_addr().expect("it is bound")
    }

    /// Opens the connections, where there are any.
    pub fn connect(&mut self, server: SocketAddr) {
        if self.transport == Transport::Tcp {
            for _ in 0..CONNECTIONS {
                let tcp = TcpStream::connect(server).expect("the server takes connections");
                self.streams.push(Stream::new(tcp));
            }
        }
    }

    /// Sends a request of ours. A connection with too much before it takes none: it is lost, as in a full socket.
    pub fn send(&mut self, server: SocketAddr, text: &str) {
        match self.transport {
            Transport::Udp => drop(self.udp.send_to(text.as_bytes(), server)),
            Transport::Tcp => {
                self.next = (self.next + 1) % CONNECTIONS;
                let stream = &mut self.streams[self.next];
                if stream.unsent.len() < MOST {
                    stream.send(text.as_bytes());
                }
            }
        }
    }

    pub fn send_as_stranger(&mut self, server: SocketAddr, text: &str) {
        let _ = self.stranger.send_to(text.as_bytes(), server);
    }

    pub fn answer(&mut self, from: From, server: SocketAddr, text: &str) {
        match from {
            From::Udp => drop(self.udp.send_to(text.as_bytes(), server)),
            From::Stranger => drop(self.stranger.send_to(text.as_bytes(), server)),
            From::Stream(n) => self.streams[n].send(text.as_bytes()),
        }
    }

    /// Waits up to that long for anything, and gives what is there.
    pub fn receive(&mut self, wait: Duration) -> Vec<(From, Vec<u8>)> {
        self.sleep(wait);
        let buffer = &mut self.buffer;
        let mut all = Vec::new();
        for (socket, from) in [(&self.udp, From::Udp), (&self.stranger, From::Stranger)] {
            while let Ok(size) = socket.recv(buffer) {
                all.push((from, buffer[..size].to_vec()));
                if all.len() >= AT_ONCE {
                    break;
                }
            }
        }
        while let Ok((tcp, _)) = self.listener.accept() {
            self.streams.push(Stream::new(tcp));
        }
        for (n, stream) in self.streams.iter_mut().enumerate() {
            stream.flush();
            stream.read(buffer);
            while let Some(message) = stream.message() {
                all.push((From::Stream(n), message));
            }
        }
        all
    }

    fn sleep(&self, wait: Duration) {
        let mut waiting = vec![
            on(self.udp.as_raw_fd(), false),
            on(self.stranger.as_raw_fd(), false),
            on(self.listener.as_raw_fd(), false),
        ];
        waiting.extend(
            self.streams
                .iter()
                .map(|s| on(s.tcp.as_raw_fd(), !s.unsent.is_empty())),
        );
        let wait = libc::timespec {
            tv_sec: wait.as_secs() as libc::time_t,
            tv_nsec: wait.subsec_nanos().into(),
        };
        // SAFETY: the array has as many entries as said, and both arguments live until ppoll returns.
        unsafe {
            libc::ppoll(
                waiting.as_mut_ptr(),
                waiting.len() as libc::nfds_t,
                &wait,
                std::ptr::null(),
            )
        };
    }
}

impl Stream {
    fn new(tcp: TcpStream) -> Stream {
        tcp.set_nonblocking(true).expect("a flag");
        tcp.set_nodelay(true).expect("a flag");
        Stream {
            tcp,
            read: Vec::new(),
            unsent: Vec::new(),
        }
    }

    fn send(&mut self, bytes: &[u8]) {
        self.unsent.extend_from_slice(bytes);
        self.flush();
    }

    fn flush(&mut self) {
        while !self.unsent.is_empty() {
            match self.tcp.write(&self.unsent) {
                Ok(0) => return,
                Ok(size) => drop(self.unsent.drain(..size)),
                Err(e) if e.kind() == ErrorKind::WouldBlock => return,
                Err(e) => panic!("the server broke a connection: {e}"),
            }
        }
    }

    /// Takes what has arrived.
    fn read(&mut self, buffer: &mut [u8]) {
        while self.read.len() < MOST {
            match self.tcp.read(buffer) {
                Ok(size) if size > 0 => self.read.extend_from_slice(&buffer[..size]),
                _ => return,
            }
        }
    }

    /// The next message that is there in full.
    fn message(&mut self) -> Option<Vec<u8>> {
        let size = framed(&self.read)?;
        Some(self.read.drain(..size).collect())
    }
}

fn on(fd: RawFd, write: bool) -> libc::pollfd {
    let events = if write {
        libc::POLLIN | libc::POLLOUT
    } else {
        libc::POLLIN
    };
    libc::pollfd {
        fd,
        events,
        revents: 0,
    }
}

/// As much room for what arrives as the system gives: the load must not be what loses messages.
fn with_room(fd: RawFd) {
    let bytes: libc::c_int = 8 << 20;
    for option in [libc::SO_RCVBUF, libc::SO_RCVBUFFORCE] {
        // SAFETY: the option takes an int, which lives until the call returns.
        unsafe {
            libc::setsockopt(
                fd,
                libc::SOL_SOCKET,
                option,
                std::ptr::from_ref(&bytes).cast(),
                size_of::<libc::c_int>() as libc::socklen_t,
            )
        };
    }
}
