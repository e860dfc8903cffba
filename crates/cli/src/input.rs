//! From paths to the bytes of files.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::progress;

/// More than any cluster has; a device that never ends must not fill the memory.
const MOST_BYTES: u64 = 8 << 30;

/// What of a folder is read, as kubectl has it.
const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];

/// A file's content.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Content {
    /// As the user named it, or as found in the folder that the user named; `-` for standard input.
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) found: Found,
}

/// How we came to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// The user named it: it must be a manifest.
    Named,
    /// It lay in a folder, perhaps next to manifests.
    InFolder,
}

/// All files of these paths: folders with all they hold, sorted by name; `-` is standard input.
pub(crate) fn read(paths: &[PathBuf]) -> Result<Vec<Content>> {
    let mut contents = Vec::new();
    for path in paths {
        contents.extend(read_one(path)?);
    }
    Ok(contents)
}

fn read_one(path: &Path) -> Result<Vec<Content>> {
    if path == Path::new("-") {
        progress::say("reading standard input");
        let bytes = bytes(io::stdin().lock()).context("cannot read standard input")?;
        return Ok(vec![Content { name: "-".to_owned(), bytes, found: Found::Named }]);
    }
    let is_folder = fs::metadata(path).with_context(|| cannot_read(path))?.is_dir();
    if !is_folder {
        return Ok(vec![content(path, Found::Named)?]);
    }
    let files = files_in(path)?;
    if files.is_empty() {
        bail!("`{}` holds no files named *.yaml, *.yml or *.json", path.display());
    }
    files.iter().map(|file| content(file, Found::InFolder)).collect()
}

/// The text on standard input.
pub(crate) fn standard_input() -> Result<String> {
    let bytes = bytes(io::stdin().lock()).context("cannot read standard input")?;
    String::from_utf8(bytes).context("cannot read standard input")
}

/// The text of a file that is no manifest.
pub(crate) fn text(path: &Path) -> Result<String> {
    let bytes = File::open(path).and_then(bytes).with_context(|| cannot_read(path))?;
    String::from_utf8(bytes).with_context(|| cannot_read(path))
}

fn content(path: &Path, found: Found) -> Result<Content> {
    progress::say(&format!("reading {}", path.display()));
    let bytes = File::open(path).and_then(bytes).with_context(|| cannot_read(path))?;
    Ok(Content { name: path.display().to_string(), bytes, found })
}

fn bytes(from: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 8 GiB"));
    }
    Ok(bytes)
}

/// In the order of names, a folder's files where its name stands. Folders behind symbolic links are left
/// out, so that a loop of them ends.
fn files_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let mut entries = entries.with_context(|| cannot_read(folder))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.path();
        if entry.file_type().with_context(|| cannot_read(&path))?.is_dir() {
            files.extend(files_in(&path)?);
        } else if is_manifest_name(&path) && path.is_file() {
            files.push(path);
        }
    }
    Ok(files)
}

/// Whether a file of a folder is read.
pub(crate) fn is_manifest_name(path: &Path) -> bool {
    path.extension().and_then(|extension| extension.to_str()).is_some_and(|name| EXTENSIONS.contains(&name))
}

fn cannot_read(path: &Path) -> String {
    format!("cannot read `{}`", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_read_in_the_order_of_names_with_what_lies_deeper() {
        let folder = std::env::temp_dir().join(format!("portcullis-input-{}", std::process::id()));
        fs::create_dir_all(folder.join("b")).unwrap();
        for name in ["c.yaml", "b/z.yml", "b/a.json", "a.yaml", "notes.md"] {
            fs::write(folder.join(name), name).unwrap();
        }
        std::os::unix::fs::symlink(&folder, folder.join("loop")).unwrap();
        let contents = read(&[folder.join("c.yaml"), folder.clone()]).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        let names: Vec<String> =
            contents.iter().map(|content| String::from_utf8(content.bytes.clone()).unwrap()).collect();
        assert_eq!(names, ["c.yaml", "a.yaml", "b/a.json", "b/z.yml", "c.yaml"]);
        let found: Vec<Found> = contents.iter().map(|content| content.found).collect();
        assert_eq!(found, [Found::Named, Found::InFolder, Found::InFolder, Found::InFolder, Found::InFolder]);
    }
}
