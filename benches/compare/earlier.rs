//! An earlier revision of filmstrip, built in a git worktree that is removed afterwards.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::first_frame::output_of;
use crate::rounds::Outcome;

/// cargo's folder for the files of benchmarks.
const FOLDER: &str = env!("CARGO_TARGET_TMPDIR");

/// Builds `revision` as it is released, and returns the program. What it depends on stays there for the next time.
pub fn build(revision: &str) -> Outcome<PathBuf> {
    let worktree = Worktree::create(revision)?;
    let target = Path::new(FOLDER).join("earlier-target");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--release", "--locked", "--bin", "filmstrip", "--target-dir"]).arg(&target);
    match cargo.current_dir(&worktree.0).status()?.success() {
        true => Ok(target.join("release/filmstrip")),
        false => Err(format!("{revision} can't be built").into()),
    }
}

/// A worktree, removed on drop.
struct Worktree(PathBuf);

impl Worktree {
    fn create(revision: &str) -> Outcome<Self> {
        let worktree = Self(Path::new(FOLDER).join("earlier"));
        // The one that a killed benchmark left.
        worktree.remove();
        output_of(git().args(["worktree", "add", "--force", "--detach"]).arg(&worktree.0).arg(revision))?;
        Ok(worktree)
    }

    fn remove(&self) {
        let _ = output_of(git().args(["worktree", "remove", "--force"]).arg(&self.0));
    }
}

impl Drop for Worktree {
    fn drop(&mut self) {
        self.remove();
    }
}

fn git() -> Command {
    let mut git = Command::new("git");
    git.args(["-C", env!("CARGO_MANIFEST_DIR")]);
    git
}
