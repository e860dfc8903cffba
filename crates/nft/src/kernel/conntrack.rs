//! Connection tracking.

use crate::conntrack::{self, Entry};

use super::socket::{RequestError, Socket};

/// All flows that the kernel tracks, of both families.
pub fn flows(socket: &mut Socket) -> Result<Vec<Entry>, RequestError> {
    socket.dump(&conntrack::get_all(), Vec::new, |entries, message| {
        entries.push(conntrack::entry(message)?);
        Ok(())
    })
}

/// Makes the kernel forget these flows. One that has ended meanwhile is no error. Says how many were there.
pub fn end_flows(socket: &mut Socket, entries: &[Entry]) -> Result<usize, RequestError> {
    let mut ended = 0;
    for entry in entries {
        match socket.request(&conntrack::delete(entry)) {
            Ok(()) => ended += 1,
            Err(error) if error.errno() == Some(libc::ENOENT) => (),
            Err(error) => return Err(error),
        }
    }
    Ok(ended)
}

/// Makes the kernel forget all flows.
pub fn end_all_flows(socket: &mut Socket) -> Result<(), RequestError> {
    socket.request(&conntrack::delete_all())
}
