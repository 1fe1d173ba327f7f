//! The folder that everybody serves: one film that fits the page cache, and one small file.
//!
//! Disks are not what is compared. The folder is made anew in the system's folder for temporary files, and removed.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::rounds::Outcome;

/// The film's size in bytes: nine digits, as all its positions that are asked for have, so that every response of one
/// kind has one length.
pub const FILM_SIZE: u64 = 256 * 1024 * 1024;

/// The size of the small file.
pub const SMALL_SIZE: usize = 1024;

/// The film's URL path, the same on every server.
pub const FILM: &str = "/video/film.mp4";

/// The small file's URL path.
pub const SMALL: &str = "/video/small.mp4";

/// A folder of this process's own, removed with the value.
pub struct Data {
    folder: TempDir,
}

impl Data {
    /// Makes the folder and what is in it.
    pub fn make() -> Outcome<Self> {
        // Readable for servers that give up root.
        let readable = fs::Permissions::from_mode(0o755);
        let data =
            Self { folder: tempfile::Builder::new().prefix("filmstrip-bench-").permissions(readable).tempdir()? };
        fs::create_dir(data.root())?;
        fs::create_dir(data.videos())?;
        let block: Vec<u8> = (0..1024 * 1024).map(|at: u32| (at % 251) as u8).collect();
        let mut film = File::create(data.film())?;
        for _ in 0..FILM_SIZE / block.len() as u64 {
            film.write_all(&block)?;
        }
        fs::write(data.videos().join("small.mp4"), &block[..SMALL_SIZE])?;
        // What is still to be written to a disk would be written in somebody's first round.
        film.sync_all()?;
        Ok(data)
    }

    /// What the other servers serve: their `/video/` is a folder in it.
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    /// What filmstrip serves as its `/video/`.
    pub fn videos(&self) -> PathBuf {
        self.root().join("video")
    }

    /// The film.
    pub fn film(&self) -> PathBuf {
        self.videos().join("film.mp4")
    }

    /// Room for a server's own files, made where it isn't there yet.
    pub fn room_for(&self, server: &str) -> Outcome<PathBuf> {
        let name: String = server.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let room = self.folder.path().join(name);
        fs::create_dir_all(&room)?;
        Ok(room)
    }
}
