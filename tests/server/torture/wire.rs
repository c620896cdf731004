//! One raw message at a time to the server, over a socket of its own, and what comes back.
//! Nothing is retransmitted or answered by itself.

use crate::kit::{Msg, Transport};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

pub enum Wire {
    Udp(UdpSocket),
    Tcp(TcpStream, Vec<u8>),
}

/// What came back for a message.
pub enum Came {
    Answer(Msg),
    /// The server closed the stream.
    Closed,
    Nothing,
}

impl Wire {
    pub fn open(transport: Transport, server: SocketAddr) -> Wire {
        match transport {
            Transport::Udp => {
                let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback has ports");
                socket.connect(server).expect("loopback has a route");
                Wire::Udp(socket)
            }
            Transport::Tcp => {
                let stream = TcpStream::connect(server).expect("it still accepts");
                Wire::Tcp(stream, Vec::new())
            }
        }
    }

    pub fn local(&self) -> SocketAddr {
        match self {
            Wire::Udp(socket) => socket.local_addr(),
            Wire::Tcp(stream, _) => stream.local_addr(),
        }
        .expect("an open socket has an address")
    }

    pub fn send(&mut self, bytes: &[u8]) {
        match self {
            Wire::Udp(socket) => {
                socket.send(bytes).expect("a datagram can be sent");
            }
            // A stream that has been closed meanwhile says so on reading.
            Wire::Tcp(stream, _) => {
                let _ = stream.write_all(bytes);
            }
        }
    }

    /// The next final answer.
    pub fn answer(&mut self, wait: Duration) -> Came {
        let deadline = Instant::now() + wait;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Came::Nothing;
            }
            match self.read(left) {
                Ok(Some(raw)) => {
                    let msg = Msg::parse(&raw)
                        .unwrap_or_else(|why| panic!("{why}: {:?}", String::from_utf8_lossy(&raw)));
                    if msg.status() >= 200 {
                        return Came::Answer(msg);
                    }
                }
                Ok(None) => return Came::Closed,
                Err(()) => {}
            }
        }
    }

    /// One message; none when the stream has ended; an error when nothing came in time.
    fn read(&mut self, wait: Duration) -> Result<Option<Vec<u8>>, ()> {
        let mut buffer = [0; 65_536];
        match self {
            Wire::Udp(socket) => {
                socket.set_read_timeout(Some(wait)).expect("it is not zero");
                socket
                    .recv(&mut buffer)
                    .map(|n| Some(buffer[..n].to_vec()))
                    .map_err(|_| ())
            }
            Wire::Tcp(stream, pending) => {
                if let Some(message) = whole(pending) {
                    return Ok(Some(message));
                }
                stream.set_read_timeout(Some(wait)).expect("it is not zero");
                match stream.read(&mut buffer) {
                    Ok(0) => Ok(None),
                    Ok(n) => {
                        pending.extend_from_slice(&buffer[..n]);
                        whole(pending).map(Some).ok_or(())
                    }
                    Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(None),
                    Err(_) => Err(()),
                }
            }
        }
    }
}

/// The first message of a stream, once it is all there.
fn whole(pending: &mut Vec<u8>) -> Option<Vec<u8>> {
    let text = String::from_utf8_lossy(pending).into_owned();
    let head = text.find("\r\n\r\n")? + 4;
    let length = text[..head]
        .lines()
        .find_map(|line| line.strip_prefix("Content-Length: "))
        .map_or(0, |value| value.trim().parse().expect("a length"));
    (pending.len() >= head + length).then(|| pending.drain(..head + length).collect())
}
