//! A veth pair (veth(4)) with Ethernet's MTU, between this process and a network namespace for the servers.
//!
//! Its addresses are reserved for benchmarks (198.18.0.0/15, RFC 2544), and no route leads out of it. It needs root and
//! iproute2; without them its measurements are omitted. It is removed on drop.

use std::net::{IpAddr, Ipv4Addr};
use std::process::{Command, Stdio};

use crate::rounds::Outcome;

/// The address of the servers' end. This process has the address before it.
pub const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 18, 0, 2));

/// See the module.
pub struct Veth {
    namespace: String,
}

impl Veth {
    /// Creates it.
    ///
    /// # Errors
    /// The error message of `ip`, or that it isn't installed.
    pub fn create() -> Outcome<Self> {
        let namespace = format!("filmstrip-{}", std::process::id());
        ip(&format!("netns add {namespace}"))?;
        let veth = Self { namespace };
        let (near, far) = (format!("fs{}a", std::process::id()), "eth0");
        for command in [
            format!("link add {near} mtu 1500 type veth peer name {far} mtu 1500 netns {}", veth.namespace),
            format!("address add 198.18.0.1/30 dev {near}"),
            format!("link set {near} up"),
            format!("-netns {} address add {ADDRESS}/30 dev {far}", veth.namespace),
            format!("-netns {} link set {far} up", veth.namespace),
        ] {
            ip(&command)?;
        }
        Ok(veth)
    }

    /// `command`, changed to run in the namespace. `ip` executes the program in its own process.
    pub fn in_namespace(&self, command: &Command) -> Command {
        let mut inside = Command::new("ip");
        inside.args(["netns", "exec", &self.namespace]).arg(command.get_program()).args(command.get_args());
        inside.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        inside
    }
}

impl Drop for Veth {
    fn drop(&mut self) {
        // Deleting the namespace deletes the pair.
        let _ = ip(&format!("netns delete {}", self.namespace));
    }
}

fn ip(command: &str) -> Outcome<()> {
    let outcome = Command::new("ip").args(command.split(' ')).stdin(Stdio::null()).output();
    let outcome = outcome.map_err(|_| "ip is not installed (Debian: apt-get install iproute2)")?;
    match outcome.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&outcome.stderr).lines().next().unwrap_or("ip failed").into()),
    }
}
