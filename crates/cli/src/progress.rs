//! What long work is at, on a terminal.

use std::io::{self, IsTerminal as _};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// What takes less is over before anybody could read it.
const SHOWN_AFTER: Duration = Duration::from_millis(500);

const REDRAWN_EVERY: Duration = Duration::from_millis(100);

/// Only where it was begun.
static LINE: OnceLock<ProgressBar> = OnceLock::new();

/// From now on [`say`] is seen, if standard error is a terminal. It starts a thread.
pub(crate) fn begin() {
    if !io::stderr().is_terminal() {
        return;
    }
    let line = LINE.get_or_init(|| ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden()));
    if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
        line.set_style(style);
    }
    thread::spawn(move || {
        thread::sleep(SHOWN_AFTER);
        line.set_draw_target(ProgressDrawTarget::stderr());
        line.enable_steady_tick(REDRAWN_EVERY);
    });
}

/// What is being done now.
pub(crate) fn say(words: &str) {
    if let Some(line) = LINE.get() {
        line.set_message(words.to_owned());
    }
}

/// Lets something else be written on the terminal.
pub(crate) fn aside<T>(write: impl FnOnce() -> T) -> T {
    match LINE.get() {
        Some(line) => line.suspend(write),
        None => write(),
    }
}

/// The work is done: the line goes and doesn't come back.
pub(crate) fn end() {
    if let Some(line) = LINE.get() {
        line.finish_and_clear();
    }
}
