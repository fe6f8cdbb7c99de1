//! SHA-256 fingerprints of certificates, as admins write and read them.

use std::fmt;

/// The SHA-256 digest of a certificate, shown as `AB:CD:…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Takes 32 bytes in hexadecimal, with or without colons, in any case.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const EXPECTED: &str = "expected the SHA-256 fingerprint of a certificate, as `openssl x509 -noout -fingerprint -sha256` prints it behind the =";
        let mut bytes = [0; 32];
        let mut rest = text.trim();
        for (at, byte) in bytes.iter_mut().enumerate() {
            if at > 0 {
                rest = rest.strip_prefix(':').unwrap_or(rest);
            }
            let (digits, behind) = rest.split_at_checked(2).ok_or(EXPECTED)?;
            let all_hexadecimal = digits.bytes().all(|it| it.is_ascii_hexdigit());
            let value = u8::from_str_radix(digits, 16).ok();
            *byte = value.filter(|_| all_hexadecimal).ok_or(EXPECTED)?;
            rest = behind;
        }
        if rest.is_empty() {
            Ok(Self(bytes))
        } else {
            Err(EXPECTED)
        }
    }
}

impl From<[u8; 32]> for Fingerprint {
    fn from(digest: [u8; 32]) -> Self {
        Self(digest)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str(":")?;
            }
            write!(f, "{byte:02X}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_read_as_every_tool_prints_it() {
        let bytes: [u8; 32] = std::array::from_fn(|at| u8::try_from(at * 8).unwrap());
        let fingerprint = Fingerprint::from(bytes);
        let printed = fingerprint.to_string();
        assert!(printed.starts_with("00:08:10:"), "{printed}");
        for text in [
            printed.clone(),
            printed.to_lowercase(),
            printed.replace(':', ""),
            format!(" {printed} "),
        ] {
            assert_eq!(Fingerprint::parse(&text), Ok(fingerprint), "{text}");
        }
        for text in [
            "",
            "AB:CD",
            &printed[3..],
            &format!("{printed}:00"),
            &printed.replace("00", "0x"),
            &printed.replace("08", "+8"),
            &printed.replace("08", "ä"),
        ] {
            assert!(Fingerprint::parse(text).is_err(), "{text}");
        }
    }
}
