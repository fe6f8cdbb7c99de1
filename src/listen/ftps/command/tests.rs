//! Lines that clients and strangers send, and what is read in them.

use super::*;

fn parse(line: &[u8]) -> Result<Command, Fault> {
    Command::parse(&Line::Whole(line.to_vec()))
}

#[test]
fn verbs_are_read_in_any_case_r0_13() {
    for line in ["AUTH TLS", "auth ssl", "AUTH TLS-C", "Auth tls-p"] {
        assert_eq!(parse(line.as_bytes()), Ok(Command::Auth));
    }
    assert_eq!(parse(b"AUTH KERBEROS"), Err(Fault::Parameter));
    assert_eq!(parse(b"prot p"), Ok(Command::Prot(Protection::Private)));
    assert_eq!(parse(b"PROT C"), Ok(Command::Prot(Protection::Weaker)));
    assert_eq!(parse(b"type i"), Ok(Command::Type(Type::Image)));
    assert_eq!(parse(b"TYPE A N"), Ok(Command::Type(Type::Ascii)));
    assert_eq!(parse(b"TYPE E"), Err(Fault::Parameter));
    assert_eq!(parse(b"EPSV ALL"), Ok(Command::EpsvAll));
    assert_eq!(parse(b"EPSV 2"), Ok(Command::Epsv(Family::V6)));
    assert_eq!(parse(b"EPSV 3"), Ok(Command::Epsv(Family::Other)));
    assert_eq!(parse(b"EPSV all of it"), Err(Fault::Argument));
    assert_eq!(parse(b"NOOP anything"), Ok(Command::Noop));
    assert_eq!(parse(b"XPWD"), Ok(Command::Pwd));
    assert_eq!(parse(b"OPTS UTF8 ON"), Ok(Command::OptsUtf8));
    assert_eq!(parse(b"opts utf8"), Ok(Command::OptsUtf8));
    assert_eq!(parse(b"OPTS NONSENSE"), Err(Fault::Parameter));
}

#[test]
fn names_are_taken_as_they_stand_r0_17() {
    assert_eq!(
        parse(b"USER Secureftp.example.com|hr@acme.example"),
        Ok(Command::User(
            "Secureftp.example.com|hr@acme.example".to_owned()
        ))
    );
    assert_eq!(
        parse(b"PASS  two words "),
        Ok(Command::Pass(Secret::new(" two words ".to_owned())))
    );
    assert_eq!(
        parse("STOR é (2).csv".as_bytes()),
        Ok(Command::Stor("é (2).csv".to_owned()))
    );
    assert_eq!(
        parse(b"PASS"),
        Ok(Command::Pass(Secret::new(String::new())))
    );
    assert_eq!(parse(b"STOR"), Err(Fault::Argument));
    assert_eq!(parse(b"USER "), Err(Fault::Argument));
}

#[test]
fn nul_cr_and_invalid_utf_8_are_faults_of_that_line() {
    assert_eq!(Command::parse(&Line::TooLong), Err(Fault::TooLong));
    assert_eq!(parse(b"STOR a\0b"), Err(Fault::Argument));
    assert_eq!(parse(b"STOR a\rb"), Err(Fault::Argument));
    assert_eq!(parse(b"STOR \xc0\xae"), Err(Fault::Argument));
    assert_eq!(parse(b"\x80\x81"), Err(Fault::Unknown));
    assert_eq!(parse(b""), Err(Fault::Unknown));
    assert_eq!(parse(b"\x16\x03\x01\x02"), Err(Fault::Unknown));
}

#[test]
fn offsets_are_numbers_that_fit() {
    assert_eq!(
        parse(b"REST 18446744073709551615"),
        Ok(Command::Rest(u64::MAX))
    );
    for line in [
        "REST 18446744073709551616",
        "REST -1",
        "REST +1",
        "REST",
        "REST 1 2",
    ] {
        assert_eq!(parse(line.as_bytes()), Err(Fault::Argument), "{line}");
    }
}

#[test]
fn the_time_of_mfmt_is_a_time_in_utc_and_the_rest_of_the_line_a_name() {
    let set = |line: &[u8]| parse(line);
    let instant = "2026-11-22T01:02:03Z".parse().unwrap();
    let expected = Ok(Command::Mfmt(instant, "/data/a b.csv".to_owned()));
    assert_eq!(set(b"MFMT 20261122010203 /data/a b.csv"), expected);
    assert_eq!(set(b"mfmt 20261122010203.999 /data/a b.csv"), expected);
    for line in [
        "MFMT",
        "MFMT 20261122010203",
        "MFMT 20261322010203 a",
        "MFMT 2026112201020 a",
        "MFMT yesterday a",
        "MFMT 20261122010203. a",
        "MFMT 20261122010203 ",
    ] {
        assert_eq!(set(line.as_bytes()), Err(Fault::Argument), "{line}");
    }
}

#[test]
fn options_for_ls_are_dropped() {
    let list = |path: Option<&str>| Ok(Command::List(path.map(str::to_owned)));
    assert_eq!(parse(b"LIST"), list(None));
    assert_eq!(parse(b"LIST -la"), list(None));
    assert_eq!(parse(b"LIST -a -l /data"), list(Some("/data")));
    assert_eq!(parse(b"LIST my files"), list(Some("my files")));
}

#[test]
fn telnet_bytes_before_abor_are_tolerated() {
    assert_eq!(parse(b"\xff\xf4\xff\xf2ABOR"), Ok(Command::Abor));
    assert_eq!(parse(b"\xf2ABOR"), Ok(Command::Abor));
}

#[test]
fn other_protocols_other_commands_and_nonsense_are_told_apart() {
    assert_eq!(parse(b"GET / HTTP/1.1"), Err(Fault::Foreign));
    assert_eq!(parse(b"SITE CHMOD 777 x"), Ok(Command::Chmod));
    assert_eq!(parse(b"SITE EXEC ls"), Err(Fault::NotServed));
    assert_eq!(parse(b"site quota"), Ok(Command::Quota));
    assert_eq!(parse(b"LANG en"), Ok(Command::Lang));
    assert_eq!(parse(b"LANG tlh"), Err(Fault::Parameter));
    assert_eq!(parse(b"LPRT 4,4,127,0,0,1,2,4,1"), Err(Fault::NotServed));
    assert_eq!(parse(b"FROBNICATE"), Err(Fault::Unknown));
    assert_eq!(parse(b"MODE Z"), Err(Fault::Parameter));
    assert_eq!(parse(b"STRU F"), Ok(Command::Stru));
}

#[test]
fn port_is_six_bytes_and_never_port_0() {
    let at = "127.0.0.1:1025".parse().unwrap();
    assert_eq!(parse(b"PORT 127,0,0,1,4,1"), Ok(Command::Port(at)));
    assert_eq!(parse(b"port 127,0,0,1,4,1 "), Ok(Command::Port(at)));
    for line in [
        "PORT",
        "PORT 127,0,0,1,4",
        "PORT 127,0,0,1,4,1,1",
        "PORT 127,0,0,1,0,0",
        "PORT 127,0,0,1,256,1",
        "PORT 127,0,0,-1,4,1",
        "PORT 127,0,0,,4,1",
        "PORT 127.0.0.1.4.1",
        "PORT localhost",
    ] {
        assert_eq!(parse(line.as_bytes()), Err(Fault::Argument), "{line}");
    }
}

#[test]
fn eprt_names_a_family_an_address_of_it_and_a_port() {
    let at = |text: &str| Ok(Command::Eprt(Endpoint::At(text.parse().unwrap())));
    assert_eq!(parse(b"EPRT |1|127.0.0.1|6275|"), at("127.0.0.1:6275"));
    assert_eq!(parse(b"eprt |2|::1|65535|"), at("[::1]:65535"));
    assert_eq!(parse(b"EPRT !1!127.0.0.1!1!"), at("127.0.0.1:1"));
    let other = Ok(Command::Eprt(Endpoint::OtherFamily));
    assert_eq!(parse(b"EPRT |3|nsap|6275|"), other);
    for line in [
        "EPRT",
        "EPRT |1|127.0.0.1|99999|",
        "EPRT |1|127.0.0.1|0|",
        "EPRT |1|127.0.0.1||",
        "EPRT |1|127.0.0.1|-1|",
        "EPRT |1|127.0.0.1|6275",
        "EPRT |1|127.0.0.1|6275|x",
        "EPRT |1|::1|6275|",
        "EPRT |2|127.0.0.1|6275|",
        "EPRT |2|fe80::1%lo|6275|",
        "EPRT |x|127.0.0.1|6275|",
        "EPRT ||127.0.0.1|6275|",
        "EPRT |1|localhost|6275|",
        "EPRT \u{e9}1\u{e9}127.0.0.1\u{e9}6275\u{e9}",
    ] {
        assert_eq!(parse(line.as_bytes()), Err(Fault::Argument), "{line}");
    }
}

#[test]
fn allo_is_a_size_and_perhaps_that_of_a_record() {
    assert_eq!(parse(b"ALLO 100"), Ok(Command::Allo(100)));
    assert_eq!(parse(b"ALLO 100 R 10"), Ok(Command::Allo(100)));
    for line in [
        "ALLO",
        "ALLO 100 R",
        "ALLO 100 10",
        "ALLO 100 R x",
        "ALLO x R 1",
    ] {
        assert_eq!(parse(line.as_bytes()), Err(Fault::Argument), "{line}");
    }
}

#[test]
fn mff_changes_the_time_and_nothing_else() {
    let instant = "2026-11-22T01:02:03Z".parse().unwrap();
    let expected = Ok(Command::Mfmt(instant, "/data/a b.csv".to_owned()));
    assert_eq!(parse(b"MFF modify=20261122010203; /data/a b.csv"), expected);
    assert_eq!(parse(b"mff Modify=20261122010203; /data/a b.csv"), expected);
    for line in [
        "MFF",
        "MFF modify=20261122010203;",
        "MFF modify=20261122010203; ",
        "MFF modify=20261122010203 a",
        "MFF modify; a",
        "MFF modify=yesterday; a",
        "MFF modify=20261122010203;modify=20261122010203; a",
    ] {
        assert_eq!(parse(line.as_bytes()), Err(Fault::Argument), "{line}");
    }
    for line in [
        "MFF create=20261122010203; a",
        "MFF modify=20261122010203;UNIX.mode=0777; a",
    ] {
        assert_eq!(parse(line.as_bytes()), Err(Fault::Parameter), "{line}");
    }
}

#[test]
fn sha_256_is_the_one_digest() {
    assert_eq!(parse(b"OPTS HASH"), Ok(Command::OptsHash));
    assert_eq!(parse(b"OPTS HASH sha-256"), Ok(Command::OptsHash));
    assert_eq!(parse(b"OPTS HASH SHA-1"), Err(Fault::Algorithm));
    assert_eq!(parse(b"HASH a b"), Ok(Command::Hash("a b".to_owned())));
    assert_eq!(parse(b"HASH"), Err(Fault::Argument));
}

#[test]
fn stat_is_about_the_session_or_a_path() {
    let of = |path: &str| Ok(Command::Stat(Some(path.to_owned())));
    assert_eq!(parse(b"STAT"), Ok(Command::Stat(None)));
    assert_eq!(parse(b"STAT /data"), of("/data"));
    assert_eq!(parse(b"STAT -la /data"), of("/data"));
    assert_eq!(parse(b"STAT -la"), of("."));
}
