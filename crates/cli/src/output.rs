//! Answers go to standard output, all else to standard error.

use std::io::{self, IsTerminal, Write};

use crate::progress;

/// Writes an answer. Colour is taken out where standard output is no terminal or `NO_COLOR` is set. A reader
/// that has gone away is none of our business.
pub(crate) fn print(text: &str) -> io::Result<()> {
    progress::end();
    let mut out = anstream::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Writes something that is no answer; when even that can't be said, there is nobody to tell.
pub(crate) fn note(text: &str) {
    if text.is_empty() {
        return;
    }
    progress::aside(|| {
        let mut out = anstream::stderr().lock();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    });
}

/// How many columns a line may take: the terminal's, or 100 where there is none.
pub(crate) fn width() -> usize {
    const USUAL: usize = 100;
    let out = io::stdout();
    if !out.is_terminal() {
        return USUAL;
    }
    let columns = rustix::termios::tcgetwinsize(&out).map_or(0, |size| usize::from(size.ws_col));
    if columns == 0 { USUAL } else { columns }
}
