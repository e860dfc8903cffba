//! A connection that lasts: a server that never stops sending, to see what ends it.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use crate::namespace::Namespace;
use crate::responder::open_tcp;

/// How long to wait for the connection.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often the server writes, and looks whether it is to stop.
const PACE: Duration = Duration::from_millis(2);
const PIECE: [u8; 512] = [b'.'; 512];

/// Why there is no stream.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// There is no such end, or it has no address of the family.
    #[error("there is no such end with an address of that family")]
    NoSuchEnd,
    /// The server could not listen.
    #[error("cannot listen on {address}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The client could not connect.
    #[error("cannot connect to {address}")]
    Connect {
        /// Where to.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
}

/// An established TCP connection on which the server sends without end. Dropping it ends both sides.
#[derive(Debug)]
pub struct Stream {
    client: TcpStream,
    stop: Arc<AtomicBool>,
    server: Option<JoinHandle<()>>,
}

impl Stream {
    pub(crate) fn open(
        client: (&Namespace, SocketAddr),
        server: (&Namespace, SocketAddr),
    ) -> Result<Self, StreamError> {
        let address = server.1;
        let listen = |source| StreamError::Listen { address, source };
        let listener = server.0.enter(|| open_tcp(address)).and_then(|opened| opened).map_err(listen)?;
        let connect = |source| StreamError::Connect { address, source };
        let client = client
            .0
            .enter(|| connect_from(client.1, address))
            .and_then(|connected| connected)
            .map_err(connect)?;
        listener.set_nonblocking(false).map_err(listen)?;
        let (accepted, _) = listener.accept().map_err(listen)?;
        accepted.set_write_timeout(Some(PACE)).map_err(listen)?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("stream".to_owned());
        let server = thread.spawn(move || send_until(accepted, &stopped)).map_err(listen)?;
        Ok(Stream { client, stop, server: Some(server) })
    }

    /// Reads until nothing has come for `quiet`, or for `longest` at most; says how many bytes came and
    /// whether the stream has fallen silent.
    pub fn read_until_silent(&mut self, quiet: Duration, longest: Duration) -> io::Result<Flowing> {
        let begin = Instant::now();
        let mut bytes = 0;
        let mut buffer = [0; 16 * 1024];
        self.client.set_read_timeout(Some(quiet.max(Duration::from_millis(1))))?;
        while begin.elapsed() < longest {
            match self.client.read(&mut buffer) {
                Ok(0) => return Ok(Flowing::Silent { bytes }),
                Ok(length) => bytes += length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
                Err(error) if is_silence(&error) => return Ok(Flowing::Silent { bytes }),
                Err(error) => return Err(error),
            }
        }
        Ok(Flowing::On { bytes })
    }
}

/// What a stream does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flowing {
    /// It still flows, and so many bytes came.
    On {
        /// How many.
        bytes: usize,
    },
    /// It has stopped, after so many bytes.
    Silent {
        /// How many.
        bytes: usize,
    },
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(server) = self.server.take() {
            let _ = server.join();
        }
    }
}

fn connect_from(from: SocketAddr, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
    socket.set_linger(Some(Duration::ZERO))?;
    socket.bind(&from.into())?;
    socket.connect_timeout(&to.into(), PATIENCE)?;
    Ok(socket.into())
}

fn send_until(mut connection: TcpStream, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        match connection.write(&PIECE) {
            Ok(_) => std::thread::sleep(PACE),
            Err(error) if is_silence(&error) || error.kind() == io::ErrorKind::Interrupted => (),
            Err(_) => return,
        }
    }
}

fn is_silence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
