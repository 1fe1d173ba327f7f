//! A minimal, synchronous, threaded HTTP server that streams videos from a folder.
//!
//! ```text
//! accept loop ──▶ thread pool ──▶ worker: read head ▶ plan ▶ open file ▶ send head ▶ copy 4 KiB chunks to the socket
//!      ▲                             │
//!      └──── idle connection ────────┘
//! ```
//!
//! [`Server`] is the whole of it. [`Site`] is the middle alone, for programs that run a `tiny_http` 0.12 server:
//! [`Site::respond`] answers its requests. `examples/own_server.rs` and `examples/embed.rs` are complete programs, and
//! `docs/ARCHITECTURE.md` explains the design.
//!
//! ```
//! use filmstrip::{Config, Server};
//!
//! let server = Server::bind(Config { dir: "videos".into(), port: 0, ..Config::default() })?;
//! let handle = server.handle();
//! let running = std::thread::spawn(move || server.run());
//! handle.stop();
//! assert_eq!(running.join().unwrap().aborted, 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod access_log;
mod api;
#[doc(hidden)]
pub mod cli;
mod close_reason;
mod config;
mod embed;
mod fingerprint;
#[doc(hidden)]
pub mod http;
mod lan;
#[doc(hidden)]
pub mod library;
mod log_limit;
#[doc(hidden)]
pub mod logging;
mod metrics;
mod notify;
mod pages;
mod playlist;
mod representation;
mod routes;
mod server;
mod single_flight;
#[doc(hidden)]
pub mod subtitles;
mod sync;
mod urls;

pub use config::{Config, StartError};
pub use http::auth::Credentials;
pub use http::cors::Cors;
pub use library::{Library, Links};
pub use routes::Site;
pub use server::{Handle, Server, Stopped};
pub use urls::RoutePrefix;
