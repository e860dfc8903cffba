//! Manifests at a revision of a git repository, read by `git` itself; nothing is checked out.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::input::{Content, Found, is_manifest_name};

/// What `path` holds at `rev`: a file, or a folder with all manifests in it. It need not be there any more.
pub(super) fn read(rev: &str, path: &Path) -> Result<Vec<Content>> {
    if path == Path::new("-") {
        bail!("`git:{rev}` needs a path: standard input has no revisions");
    }
    let (folder, rest) = existing(path);
    let git = Git { folder };
    let tree = git.tree(rev)?;
    let entries = git.entries(&tree, &rest)?;
    let is_file = entries.len() == 1 && entries.iter().all(|entry| entry.path == rest);
    let mut files: Vec<&Entry> =
        entries.iter().filter(|entry| is_file || is_manifest_name(&entry.path)).collect();
    if entries.is_empty() {
        bail!("`{}` is not in `{rev}`", path.display());
    }
    if files.is_empty() {
        bail!("`{}` holds no files named *.yaml, *.yml or *.json in `{rev}`", path.display());
    }
    // As a folder is read: by the names at each level, not by the bytes of whole paths.
    files.sort_by(|one, other| one.path.cmp(&other.path));
    let found = if is_file { Found::Named } else { Found::InFolder };
    let name = |entry: &Entry| match entry.path.strip_prefix(&rest) {
        Ok(below) if !below.as_os_str().is_empty() => format!("{rev}:{}", path.join(below).display()),
        Ok(_) | Err(_) => format!("{rev}:{}", path.display()),
    };
    if let Some(link) = files.iter().find(|entry| entry.is_link) {
        bail!("`{}` is a symbolic link, which is not followed in a revision", name(link));
    }
    let blobs = git.blobs(files.iter().map(|entry| entry.object.as_str()))?;
    Ok(files.iter().zip(blobs).map(|(file, bytes)| Content { name: name(file), bytes, found }).collect())
}

/// The deepest folder of a path that is there, and what follows it.
fn existing(path: &Path) -> (PathBuf, PathBuf) {
    let there = path.ancestors().find(|ancestor| ancestor.is_dir()).unwrap_or(Path::new(""));
    let rest = path.strip_prefix(there).unwrap_or(path).to_owned();
    let folder = if there.as_os_str().is_empty() { Path::new(".") } else { there };
    (folder.to_owned(), rest)
}

/// A repository, by a folder in it.
struct Git {
    folder: PathBuf,
}

/// A file or link of a tree, by its path from the folder.
struct Entry {
    path: PathBuf,
    object: String,
    is_link: bool,
}

impl Git {
    fn command(&self) -> Command {
        let mut command = Command::new("git");
        command.arg("-C").arg(&self.folder).env("GIT_LITERAL_PATHSPECS", "1");
        command
    }

    fn answer<'a>(&self, arguments: impl IntoIterator<Item = &'a OsStr>) -> Result<Result<Vec<u8>, String>> {
        let run = self.command().args(arguments).stdin(Stdio::null()).output().context(NO_GIT)?;
        let complaint = String::from_utf8_lossy(&run.stderr).trim().to_owned();
        Ok(if run.status.success() { Ok(run.stdout) } else { Err(complaint) })
    }

    /// The tree of a revision, by its object's name.
    fn tree(&self, rev: &str) -> Result<String> {
        let folder = self.folder.display();
        if let Err(complaint) = self.answer(["rev-parse", "--git-dir"].map(OsStr::new))? {
            bail!("`{folder}` is in no git repository that can be read: {complaint}");
        }
        let tree = format!("{rev}^{{tree}}");
        let arguments = ["rev-parse", "--verify", "--quiet", "--end-of-options", &tree].map(OsStr::new);
        match self.answer(arguments)? {
            Ok(name) => Ok(String::from_utf8_lossy(&name).trim().to_owned()),
            Err(_) => bail!("`{rev}` is no revision of the git repository of `{folder}`"),
        }
    }

    /// Files and links at or below `rest`.
    fn entries(&self, tree: &str, rest: &Path) -> Result<Vec<Entry>> {
        let mut arguments = ["ls-tree", "-r", "-z", tree].map(OsStr::new).to_vec();
        if !rest.as_os_str().is_empty() {
            arguments.extend([OsStr::new("--"), rest.as_os_str()]);
        }
        match self.answer(arguments)? {
            Ok(listing) => Ok(listing.split(|byte| *byte == 0).filter_map(entry).collect()),
            Err(complaint) => bail!("`git ls-tree` failed: {complaint}"),
        }
    }

    /// One is asked for only after the one before has been read, so that neither side waits for the other.
    fn blobs<'a>(&self, objects: impl Iterator<Item = &'a str>) -> Result<Vec<Vec<u8>>> {
        let mut command = self.command();
        command.args(["cat-file", "--batch"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().context(NO_GIT)?;
        let (Some(mut asks), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            bail!("`git cat-file` can't be talked to");
        };
        let mut answers = BufReader::new(answers);
        let mut read = |object: &str| {
            writeln!(asks, "{object}")?;
            let mut head = String::new();
            answers.read_line(&mut head)?;
            let size = head.trim_end().rsplit_once(' ').and_then(|(_, size)| size.parse().ok());
            let size: u64 = size.with_context(|| format!("`git cat-file` has no `{object}`"))?;
            let mut bytes = Vec::new();
            answers.by_ref().take(size).read_to_end(&mut bytes)?;
            answers.read_exact(&mut [0])?;
            Ok(bytes)
        };
        let blobs: Result<Vec<Vec<u8>>> = objects.map(&mut read).collect();
        drop(asks);
        child.wait()?;
        blobs
    }
}

const NO_GIT: &str = "cannot run `git`, which reads a `git:REV`";

/// `100644 blob OBJECT\tPATH`; `None` for what is neither a file nor a link.
fn entry(line: &[u8]) -> Option<Entry> {
    let tab = line.iter().position(|byte| *byte == b'\t')?;
    let (head, path) = line.split_at_checked(tab)?;
    let mut words = std::str::from_utf8(head).ok()?.split(' ');
    let (mode, kind, object) = (words.next()?, words.next()?, words.next()?);
    let path = PathBuf::from(OsStr::from_bytes(path.get(1..)?));
    (kind == "blob").then(|| Entry { path, object: object.to_owned(), is_link: mode == "120000" })
}
