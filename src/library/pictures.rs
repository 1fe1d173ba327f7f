//! Which picture is the poster of which film or folder.

use std::collections::HashMap;

use super::kind::Kind;
use super::path::{base, fold, join, stem};

/// Names for the picture of a whole folder, the best first.
const SHARED: [&str; 4] = ["poster", "folder", "cover", "movie"];

/// What follows the film's name in the name of its picture, the best first.
const SUFFIXES: [&str; 3] = ["", "-poster", "-thumb"];

/// The pictures in a folder, by their stems without case; of several with one stem the best.
#[derive(Debug, Default)]
pub struct Pictures(HashMap<String, Vec<u8>>);

impl Pictures {
    /// Adds the picture `name`.
    pub fn add(&mut self, name: Vec<u8>) {
        let best = self.0.entry(fold(stem(&name))).or_insert_with(|| name.clone());
        if (Kind::rank(&name), &name) < (Kind::rank(best), &*best) {
            *best = name;
        }
    }

    /// The path of the poster of the film `name` in `folder`: a picture of its own, or the folder's.
    pub fn of_film(&self, folder: &[u8], name: &[u8]) -> Option<Vec<u8>> {
        if self.0.is_empty() {
            return None;
        }
        self.named(folder, stem(name)).or_else(|| self.of_folder(folder))
    }

    /// The path of the picture of `folder`: one with a usual name, or with the folder's.
    pub fn of_folder(&self, folder: &[u8]) -> Option<Vec<u8>> {
        let shared = SHARED.iter().find_map(|shared| self.0.get(*shared)).map(|picture| join(folder, picture));
        shared.or_else(|| self.named(folder, base(folder)))
    }

    fn named(&self, folder: &[u8], name: &[u8]) -> Option<Vec<u8>> {
        let name = fold(name);
        let named = SUFFIXES.iter().find_map(|suffix| self.0.get(&format!("{name}{suffix}")));
        named.map(|picture| join(folder, picture))
    }
}
