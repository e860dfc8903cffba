//! From paths of the repository to what `manifest` makes of them.

use std::borrow::Cow;
use std::fs;
use std::path::{Path, PathBuf};

use policy::manifest::{Colour, Listed, Objects, Options, Read, Source, read};

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Reads one text as if the user had named its file.
pub(crate) fn read_text(name: &str, text: &str) -> Read {
    read_with(name, text.as_bytes(), Listed::ByName, Options::default())
}

/// Reads bytes.
pub(crate) fn read_with(name: &str, bytes: &[u8], listed: Listed, options: Options) -> Read {
    read([Source { name: name.into(), bytes: Cow::Borrowed(bytes), listed }], options)
}

/// All diagnostics as the user sees them.
pub(crate) fn rendered(read: &Read) -> String {
    read.diagnostics.iter().map(|diagnostic| diagnostic.render(Colour::Plain)).collect()
}

/// The objects of a text that has nothing wrong with it.
#[track_caller]
pub(crate) fn sound(text: &str) -> Objects {
    let read = read_text("test.yaml", text);
    assert!(read.diagnostics.is_empty(), "{}", rendered(&read));
    read.objects
}

/// The objects of a file of the repository that has nothing wrong with it.
#[track_caller]
pub(crate) fn sound_file(path: &Path) -> Objects {
    sound(&fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}
