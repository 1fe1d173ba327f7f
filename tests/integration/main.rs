//! The server over sockets, its resources running out, and real clients: all tests that can share a process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

#[path = "../support/mod.rs"]
mod support;

mod blocked_log;
mod capacity;
mod clients;
mod command_line;
mod crawler;
mod embedding;
mod folder_changes;
mod hostile_files;
mod hostile_names;
mod hostile_requests;
mod http_rules;
mod lan;
mod listings;
mod metrics;
mod password;
mod players;
mod playlists;
mod proxy_setups;
mod proxy_trust;
mod readme;
#[cfg(target_os = "linux")]
mod service;
mod shared_answers;
mod streaming;
mod subtitles;
