//! suppaftp, the FTP crate of Rust programs, on rustls.

use std::fs::File;
use std::io::Seek as _;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use suppaftp::{FtpError, RustlsConnector, RustlsFtpStream};

use super::seat::Seat;
use super::{Act, Answer, Client, Family, Kind, No, cannot};
use crate::harness::Port;

pub(crate) const FAMILY: Family = Family {
    title: "Rust suppaftp",
    advice: "`RustlsFtpStream::connect(…)?.into_secure(RustlsConnector::from(config), host)?`, then `login` and `transfer_type(FileType::Binary)`. Versions \
             that drop the data stream without TLS's close_notify work for a tenant with `accept_unclean_close = true`; 12 needs no such thing.",
    kinds: &[Kind::of("Rust suppaftp", Port::Explicit, |seat| {
        Box::new(Suppaftp::log_in(&seat))
    })],
};

struct Suppaftp(Result<RustlsFtpStream, No>);

impl Suppaftp {
    fn log_in(seat: &Seat<'_>) -> Self {
        Self(connect(seat).map_err(|error| refused(&error)))
    }

    fn put(
        ftp: &mut RustlsFtpStream,
        local: &std::path::Path,
        remote: &str,
    ) -> Result<(), FtpError> {
        let mut file = File::open(local).map_err(FtpError::ConnectionError)?;
        ftp.put_file(remote, &mut file).map(drop)
    }
}

fn refused(error: &FtpError) -> No {
    No::Refused(error.to_string())
}

fn connect(seat: &Seat<'_>) -> Result<RustlsFtpStream, FtpError> {
    let certificate = seat.daemon().folder().join("server.pem");
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(certificate).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = RustlsConnector::from(Arc::new(config));
    let address = ("127.0.0.1", seat.port());
    let mut ftp = RustlsFtpStream::connect(address)?.into_secure(connector, "localhost")?;
    ftp.login(seat.user().as_str(), seat.password)?;
    ftp.transfer_type(suppaftp::types::FileType::Binary)?;
    Ok(ftp)
}

impl Client for Suppaftp {
    fn perform(&mut self, act: Act<'_>) -> Answer {
        let ftp = self.0.as_mut().map_err(|no| no.clone())?;
        let mut said = String::new();
        let done = match act {
            Act::Put(local, remote) => Self::put(ftp, local, remote),
            Act::PutAll(local, remote) => put_all(ftp, local, remote),
            Act::Mirror(local, remote) => {
                ftp.mkdir(remote).and_then(|()| put_all(ftp, local, remote))
            }
            Act::Keep(..) => return cannot("it has no call for times"),
            Act::Resume(local, remote) => {
                let mut rest = File::open(local).unwrap();
                let there = ftp.size(remote).map_err(|error| refused(&error))?;
                rest.seek(std::io::SeekFrom::Start(there.try_into().unwrap()))
                    .unwrap();
                ftp.append_file(remote, &mut rest).map(drop)
            }
            Act::Get(remote, local) => ftp.retr(remote, |stream| {
                let mut bytes = Vec::new();
                stream
                    .read_to_end(&mut bytes)
                    .map_err(FtpError::ConnectionError)?;
                std::fs::write(local, bytes).map_err(FtpError::ConnectionError)
            }),
            Act::List(folder) => ftp.list(Some(folder)).map(|lines| said = lines.join("\n")),
            Act::Stat(path) => {
                let size = ftp.size(path).map_err(|error| refused(&error))?;
                let time = ftp.mdtm(path).map_err(|error| refused(&error))?;
                said = format!("{size} {}", time.and_utc().timestamp());
                Ok(())
            }
            Act::Rename(from, to) => ftp.rename(from, to),
            Act::Delete(path) => ftp.rm(path),
            Act::MakeFolder(path) => ftp.mkdir(path),
        };
        done.map(|()| said).map_err(|error| refused(&error))
    }
}

fn put_all(
    ftp: &mut RustlsFtpStream,
    local: &std::path::Path,
    remote: &str,
) -> Result<(), FtpError> {
    for file in std::fs::read_dir(local).unwrap() {
        let file = file.unwrap();
        let name = format!("{remote}/{}", file.file_name().to_str().unwrap());
        Suppaftp::put(ftp, &file.path(), &name)?;
    }
    Ok(())
}
