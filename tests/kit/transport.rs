//! The sockets of an endpoint: UDP and TCP on one port, each message handed over as it arrives.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    Udp,
    Tcp,
}

impl Transport {
    pub fn name(self) -> &'static str {
        match self {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
        }
    }
}

/// Where a message came from, and so where its answer goes.
#[derive(Clone)]
pub struct Path {
    pub peer: SocketAddr,
    pub transport: Transport,
    back: Back,
}

#[derive(Clone)]
enum Back {
    Datagram(Arc<UdpSocket>),
    Stream(Arc<TcpStream>),
}

impl Path {
    /// Answers where the message came from.
    pub fn answer(&self, bytes: &[u8]) -> std::io::Result<()> {
        match &self.back {
            Back::Stream(stream) => (&**stream).write_all(bytes),
            Back::Datagram(socket) => socket.send_to(bytes, self.peer).map(|_| ()),
        }
    }
}

/// One UDP and one TCP socket on the same address and port, with their reader threads.
pub struct Sockets {
    pub local: SocketAddr,
    udp: Arc<UdpSocket>,
    streams: Mutex<HashMap<SocketAddr, Arc<TcpStream>>>,
    stop: Arc<AtomicBool>,
}

/// Called for each message as it arrives, whole.
pub type Sink = Arc<dyn Fn(Vec<u8>, Path) + Send + Sync>;

const TICK: Duration = Duration::from_millis(100);

impl Sockets {
    /// Opens both sockets on a free port of `ip` and starts reading.
    pub fn open(ip: IpAddr, sink: Sink) -> Arc<Sockets> {
        let (udp, tcp) = bind_pair(ip);
        let local = udp.local_addr().expect("a bound socket has an address");
        udp.set_read_timeout(Some(TICK))
            .expect("a timeout can be set");
        let stop = Arc::new(AtomicBool::new(false));
        let udp = Arc::new(udp);
        let reader = udp.clone();
        let sockets = Arc::new(Sockets {
            local,
            udp,
            streams: Mutex::default(),
            stop: stop.clone(),
        });
        let for_udp = (sink.clone(), stop.clone());
        thread::spawn(move || read_udp(&reader, &for_udp.0, &for_udp.1));
        thread::spawn(move || accept(&tcp, &sink, &stop));
        sockets
    }

    /// Sends one message; over TCP on the connection there is, or a new one.
    pub fn send(
        &self,
        peer: SocketAddr,
        transport: Transport,
        bytes: &[u8],
        sink: &Sink,
    ) -> std::io::Result<()> {
        if transport == Transport::Udp {
            return self.udp.send_to(bytes, peer).map(|_| ());
        }
        let known = self
            .streams
            .lock()
            .expect("no panic under this lock")
            .get(&peer)
            .cloned();
        if let Some(stream) = known {
            if (&*stream).write_all(bytes).is_ok() {
                return Ok(());
            }
        }
        let stream = Arc::new(TcpStream::connect(peer)?);
        self.streams
            .lock()
            .expect("no panic under this lock")
            .insert(peer, stream.clone());
        let (reader, sink, stop) = (stream.clone(), sink.clone(), self.stop.clone());
        thread::spawn(move || read_stream(reader, peer, &sink, &stop));
        (&*stream).write_all(bytes)
    }

    pub fn close(&self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the accepting thread; the others look at the flag at every tick.
        let _ = TcpStream::connect(self.local);
    }
}

/// A UDP and a TCP socket on one free port.
pub fn bind_pair(ip: IpAddr) -> (UdpSocket, TcpListener) {
    for _ in 0..200 {
        let udp = UdpSocket::bind((ip, 0)).unwrap_or_else(|e| panic!("no UDP socket on {ip}: {e}"));
        let port = udp
            .local_addr()
            .expect("a bound socket has an address")
            .port();
        if let Ok(tcp) = TcpListener::bind((ip, port)) {
            return (udp, tcp);
        }
    }
    panic!("no port of {ip} is free for both UDP and TCP");
}

fn read_udp(socket: &Arc<UdpSocket>, sink: &Sink, stop: &AtomicBool) {
    let mut buffer = vec![0u8; 65_536];
    while !stop.load(Ordering::Relaxed) {
        match socket.recv_from(&mut buffer) {
            // Fewer than five octets: a keep-alive, not a message.
            Ok((n, peer)) if n > 4 => sink(
                buffer[..n].to_vec(),
                Path {
                    peer,
                    transport: Transport::Udp,
                    back: Back::Datagram(socket.clone()),
                },
            ),
            _ => {}
        }
    }
}

fn accept(listener: &TcpListener, sink: &Sink, stop: &Arc<AtomicBool>) {
    while let Ok((stream, peer)) = listener.accept() {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let (sink, stop) = (sink.clone(), stop.clone());
        thread::spawn(move || read_stream(Arc::new(stream), peer, &sink, &stop));
    }
}

fn read_stream(stream: Arc<TcpStream>, peer: SocketAddr, sink: &Sink, stop: &AtomicBool) {
    let _ = stream.set_read_timeout(Some(TICK));
    let (mut pending, mut chunk) = (Vec::new(), [0u8; 16_384]);
    while !stop.load(Ordering::Relaxed) {
        match (&*stream).read(&mut chunk) {
            Ok(0) => return,
            Ok(n) => pending.extend_from_slice(&chunk[..n]),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
            Err(_) => return,
        }
        while let Some(message) = next_frame(&mut pending) {
            sink(
                message,
                Path {
                    peer,
                    transport: Transport::Tcp,
                    back: Back::Stream(stream.clone()),
                },
            );
        }
    }
}

/// Takes the first whole message off a stream's bytes (RFC 3261 section 18.3), skipping CRLF keep-alives.
pub fn next_frame(pending: &mut Vec<u8>) -> Option<Vec<u8>> {
    while pending.starts_with(b"\r\n") {
        pending.drain(..2);
    }
    let head = super::sip::find(pending, b"\r\n\r\n")? + 4;
    let length = String::from_utf8_lossy(&pending[..head])
        .split("\r\n")
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| super::sip::canonical(name) == "content-length")
        .and_then(|(_, value)| value.trim().parse::<usize>().ok())
        .unwrap_or(0);
    if pending.len() < head + length {
        return None;
    }
    Some(pending.drain(..head + length).collect())
}
