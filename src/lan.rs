//! `--lan`: listening on all interfaces, and the URLs for other devices. A machine has many addresses, also of
//! containers and tunnels: the likeliest comes first, and is in the QR code.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};

/// The unspecified addresses; only IPv4's on a machine without IPv6.
pub fn every_interface() -> Vec<IpAddr> {
    let six = IpAddr::from(Ipv6Addr::UNSPECIFIED);
    let has_six = UdpSocket::bind((six, 0)).is_ok();
    std::iter::once(Ipv4Addr::UNSPECIFIED.into()).chain(has_six.then_some(six)).collect()
}

/// The addresses at which other devices reach a server on all interfaces (`listening`), the likeliest first. The
/// loopback address if there are none.
pub fn reachable(listening: &[SocketAddr]) -> Vec<SocketAddr> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_else(|error| {
        log::warn!("can't list this machine's addresses: {error}");
        Vec::new()
    });
    let running = interfaces.iter().filter(|interface| interface.is_oper_up());
    let is_virtual = |interface: &if_addrs::Interface| interface.is_p2p() || is_virtual(&interface.name);
    let found = running.map(|it| Interface { address: it.ip(), is_virtual: is_virtual(it) });
    ranked(found.collect(), listening)
}

struct Interface {
    address: IpAddr,
    /// It belongs to a container, a virtual machine or a tunnel.
    is_virtual: bool,
}

/// Whether the name is that of a virtual interface on Linux or macOS.
fn is_virtual(name: &str) -> bool {
    const STARTS: &str = "docker br- veth virbr vmnet vboxnet cni flannel lxc lxd tun tap wg tailscale utun";
    STARTS.split(' ').any(|start| name.starts_with(start))
}

fn ranked(mut interfaces: Vec<Interface>, listening: &[SocketAddr]) -> Vec<SocketAddr> {
    interfaces.retain(|interface| match interface.address {
        IpAddr::V4(four) => !four.is_loopback(),
        // A link-local address needs a zone, and each device has its own name for it.
        IpAddr::V6(six) => !six.is_loopback() && !six.is_unicast_link_local(),
    });
    interfaces.sort_by_key(|interface| (interface.is_virtual, likelihood(interface.address)));
    let with_port = |address: IpAddr| {
        let listener = listening.iter().find(|listener| listener.is_ipv4() == address.is_ipv4())?;
        Some(SocketAddr::new(address, listener.port()))
    };
    let addresses: Vec<_> = interfaces.iter().filter_map(|interface| with_port(interface.address)).collect();
    if addresses.is_empty() { with_port(Ipv4Addr::LOCALHOST.into()).into_iter().collect() } else { addresses }
}

/// The rank of an address: private networks at home, other networks, IPv6, which is hard to type, and link-local
/// addresses, which are chosen without a router.
fn likelihood(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(four) if four.is_link_local() => 5,
        IpAddr::V4(four) => match four.octets() {
            [192, 168, ..] => 0,
            [10, ..] => 1,
            _ if four.is_private() => 2,
            _ => 3,
        },
        IpAddr::V6(_) => 4,
    }
}

/// A QR code of `text` for a terminal, black on white in any colour theme, because some cameras can't read white on
/// black. `None` if `text` is too long.
pub fn qr_code(text: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let drawn = code.render::<Dense1x2>().build();
    // Black on white from the 216 colours that themes don't change, and the reset.
    Some(drawn.lines().map(|line| format!("\x1b[38;5;16;48;5;231m{line}\x1b[0m\n")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likeliest_address_comes_first_and_the_useless_ones_not_at_all() {
        let listening = ["0.0.0.0:8000".parse().unwrap(), "[::]:8001".parse().unwrap()];
        let machine = [
            ("lo", "127.0.0.1"),
            ("lo", "::1"),
            ("docker0", "172.17.0.1"),
            ("eth1", "169.254.3.4"),
            ("eth0", "fe80::1"),
            ("eth0", "fd00::2"),
            ("wlan0", "10.0.0.3"),
            ("eth0", "192.168.0.2"),
            ("eth2", "203.0.113.9"),
        ];
        let interfaces = |names: &[(&str, &str)]| {
            let interface = |(name, address): &(&str, &str)| Interface {
                address: address.parse().unwrap(),
                is_virtual: is_virtual(name),
            };
            names.iter().map(interface).collect::<Vec<_>>()
        };
        let urls = |found: Vec<SocketAddr>| found.iter().map(ToString::to_string).collect::<Vec<_>>();
        let want = [
            "192.168.0.2:8000",
            "10.0.0.3:8000",
            "203.0.113.9:8000",
            "[fd00::2]:8001",
            "169.254.3.4:8000",
            "172.17.0.1:8000",
        ];
        assert_eq!(urls(ranked(interfaces(&machine), &listening)), want);
        let four = urls(ranked(interfaces(&machine), &listening[..1]));
        assert!(four.iter().all(|url| url.ends_with(":8000")) && four.len() == 5, "{four:?}");
        assert_eq!(urls(ranked(interfaces(&machine[..2]), &listening)), ["127.0.0.1:8000"]);
    }

    #[test]
    fn a_code_fits_a_terminal_of_80_columns_and_24_lines() {
        let code = qr_code("http://192.168.178.200:65535/").unwrap();
        let widths: Vec<_> = code.lines().map(|line| line.chars().filter(|c| " █▀▄".contains(*c)).count()).collect();
        assert!(widths.len() < 20 && widths.iter().all(|width| *width == widths[0] && *width < 80), "{widths:?}");
        let longest = "http://[2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]:65535/";
        assert!(qr_code(longest).unwrap().lines().count() < 22);
        assert_eq!(qr_code(&"x".repeat(4000)), None);
    }
}
