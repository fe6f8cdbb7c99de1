//! Messages made here, where each fault can be made on purpose. Those that `gpg` makes are in `tests/it/pgp.rs`.

use std::io::Cursor;

use pgp::composed::{
    ArmorOptions, EncryptionCaps, KeyType, MessageBuilder, SecretKeyParamsBuilder, SignedPublicKey,
    SignedSecretKey, SubkeyParamsBuilder,
};
use pgp::crypto::aead::{AeadAlgorithm, ChunkSize};
use pgp::crypto::ecc_curve::ECCCurve;
use pgp::crypto::hash::HashAlgorithm;
use pgp::crypto::sym::SymmetricKeyAlgorithm;
use pgp::packet::{PacketTrait as _, PublicKeyEncryptedSessionKey, SymEncryptedProtectedData};
use pgp::types::CompressionAlgorithm;
use rand::thread_rng;

use super::*;
use crate::parse::agreement::Agreement;
use crate::parse::keys::{PgpSecretKey, Signature};
use crate::parse::limits::ReadLimits;
use crate::parse::read::read_sealed;
use crate::parse::read::tests::mangle::{Dice, mangled};
use crate::parse::wire::{Decoder, Frame};

const STAFF: &str = "employee_id,work_email\n1,ada@example.com\n2,grace@example.com\n";
const AES: SymmetricKeyAlgorithm = SymmetricKeyAlgorithm::AES256;

/// Somebody with a key to sign with and one to encrypt to.
struct Person(SignedSecretKey);

impl Person {
    fn new() -> Self {
        let encryption = SubkeyParamsBuilder::default()
            .key_type(KeyType::ECDH(ECCCurve::Curve25519Legacy))
            .can_encrypt(EncryptionCaps::All)
            .build()
            .unwrap();
        let key = SecretKeyParamsBuilder::default()
            .key_type(KeyType::Ed25519Legacy)
            .can_certify(true)
            .can_sign(true)
            .primary_user_id("Ada <ada@example.com>".into())
            .subkeys(vec![encryption])
            .build()
            .unwrap();
        Self(key.generate(thread_rng()).unwrap())
    }

    fn public(&self) -> SignedPublicKey {
        SignedPublicKey::from(self.0.clone())
    }

    fn armoured_public(&self) -> String {
        let key = self.public();
        key.to_armored_string(ArmorOptions::default()).unwrap()
    }

    fn agreement(&self, signers: &[&Self], signature: Signature) -> PgpAgreement {
        let key = self.0.to_armored_string(ArmorOptions::default()).unwrap();
        PgpAgreement {
            secret_keys: vec![PgpSecretKey::new(key, None)],
            signers: signers.iter().map(|it| it.armoured_public()).collect(),
            signature,
            plain_bytes: 1 << 30,
        }
    }

    fn alone(&self) -> PgpAgreement {
        self.agreement(&[], Signature::Optional)
    }

    /// Encrypts `text` to this person; signed by `signer`.
    fn message(&self, text: impl Into<Vec<u8>>, signer: Option<&Self>) -> Vec<u8> {
        let text: Vec<u8> = text.into();
        let public = self.public();
        let mut builder = MessageBuilder::from_bytes("", text).seipd_v1(thread_rng(), AES);
        builder.compression(CompressionAlgorithm::ZIP);
        if let Some(signer) = signer {
            let key = &signer.0.primary_key;
            builder.sign(key, Password::empty(), HashAlgorithm::Sha256);
        }
        builder
            .encrypt_to_key(thread_rng(), &public.public_subkeys[0])
            .unwrap();
        builder.to_vec(thread_rng()).unwrap()
    }

    /// Encrypts packets as they are.
    fn sealed(&self, packets: &[u8]) -> Vec<u8> {
        let session = AES.new_session_key(thread_rng());
        let public = self.public();
        let mut message = Vec::new();
        PublicKeyEncryptedSessionKey::from_session_key_v3(
            thread_rng(),
            &session,
            AES,
            &public.public_subkeys[0],
        )
        .unwrap()
        .to_writer_with_header(&mut message)
        .unwrap();
        SymEncryptedProtectedData::encrypt_seipdv1(thread_rng(), AES, session.as_ref(), packets)
            .unwrap()
            .to_writer_with_header(&mut message)
            .unwrap();
        message
    }
}

/// How a reading ended: rows, or the finding; and the notes.
fn read(message: &[u8], agreement: PgpAgreement) -> (Result<u64, Finding>, Vec<Finding>) {
    let agreement = Agreement {
        pgp: Some(agreement),
        ..Agreement::default()
    };
    let (limits, mut frames, mut notes) = (ReadLimits::default(), Vec::new(), Vec::new());
    let plain = Some(Cursor::new(Vec::new()));
    read_sealed(
        Cursor::new(message),
        plain,
        &limits,
        &agreement,
        &mut frames,
    )
    .unwrap();
    let mut decoder = Decoder::new(frames.as_slice(), &limits);
    loop {
        match decoder.decode().unwrap().unwrap() {
            Frame::End { rows } => return (Ok(rows), notes),
            Frame::Refused(finding) => return (Err(finding), notes),
            Frame::Note(note) => notes.push(note),
            _ => {}
        }
    }
}

#[track_caller]
fn refused(message: &[u8], agreement: PgpAgreement, code: &str, words: &str) {
    let finding = read(message, agreement).0.unwrap_err();
    assert_eq!(finding.code, code, "{finding:?}");
    assert!(finding.message.contains(words), "{finding:?}");
    assert!(!finding.remedy.is_empty());
}

/// A packet of the new format with a body of less than 8 KB.
fn packet(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[0xC0 | tag, 255], &length[..], body].concat()
}

fn literal(text: &str) -> Vec<u8> {
    packet(11, &[b"b\0\0\0\0\0", text.as_bytes()].concat())
}

#[test]
fn a_message_is_read_whatever_protects_it() {
    let ada = Person::new();
    assert_eq!(
        read(&ada.message(STAFF, None), ada.alone()),
        (Ok(2), vec![])
    );
    let public = ada.public();
    for aead in [AeadAlgorithm::Ocb, AeadAlgorithm::Eax, AeadAlgorithm::Gcm] {
        let mut builder = MessageBuilder::from_bytes("", STAFF).seipd_v2(
            thread_rng(),
            AES,
            aead,
            ChunkSize::default(),
        );
        builder
            .encrypt_to_key(thread_rng(), &public.public_subkeys[0])
            .unwrap();
        let binary = builder.to_vec(thread_rng()).unwrap();
        assert_eq!(read(&binary, ada.alone()).0, Ok(2), "{aead:?}");
    }
}

#[test]
fn an_armoured_message_is_read_behind_a_mark_of_utf_8() {
    let ada = Person::new();
    let public = ada.public();
    let mut builder = MessageBuilder::from_bytes("", STAFF).seipd_v1(thread_rng(), AES);
    builder
        .encrypt_to_key(thread_rng(), &public.public_subkeys[0])
        .unwrap();
    let armoured = builder
        .to_armored_string(thread_rng(), ArmorOptions::default())
        .unwrap();
    for text in [
        armoured.clone(),
        armoured.replace('\n', "\r\n"),
        format!("\u{feff}{armoured}"),
    ] {
        assert_eq!(read(text.as_bytes(), ada.alone()).0, Ok(2), "{text:?}");
    }
}

#[test]
fn a_message_for_somebody_else_names_its_key_and_ours() {
    let (ada, eve) = (Person::new(), Person::new());
    let theirs = keys::key_id(&eve.public().public_subkeys[0].key);
    let ours = keys::key_id(&ada.public().primary_key);
    let message = eve.message(STAFF, None);
    refused(&message, ada.alone(), code::PGP_ERROR, &theirs);
    refused(&message, ada.alone(), code::PGP_ERROR, &ours);
}

#[test]
fn a_message_is_refused_where_nobody_has_set_up_a_key() {
    let message = Person::new().message(STAFF, None);
    let (limits, mut frames) = (ReadLimits::default(), Vec::new());
    let none = None::<Cursor<Vec<u8>>>;
    let agreement = Agreement::default();
    read_sealed(
        Cursor::new(&message),
        none,
        &limits,
        &agreement,
        &mut frames,
    )
    .unwrap();
    match Decoder::new(frames.as_slice(), &limits).decode().unwrap() {
        Some(Frame::Refused(finding)) => assert!(finding.message.contains("no key was set up")),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_message_that_was_changed_or_cut_anywhere_is_never_read() {
    let ada = Person::new();
    let message = ada.message(STAFF, None);
    // Of the packet with the session key not every bit counts; if it gives the key, the rest is what it was.
    let data = usize::from(message[1]) + 2;
    for place in (0..message.len()).step_by(7).chain([message.len() - 1]) {
        let mut changed = message.clone();
        changed[place] ^= 0x10;
        let (read, _) = read(&changed, ada.alone());
        assert!(read.is_err() || place < data, "changed at {place}");
    }
    for length in (1..message.len()).step_by(11).chain([message.len() - 1]) {
        let (read, _) = read(&message[..length], ada.alone());
        // A single byte is no message, but may be the header of a text in an old code page.
        assert!(matches!(read, Err(_) | Ok(0)), "cut at {length}");
    }
}

#[test]
fn a_message_that_is_damaged_inside_or_outside_ends_as_read_or_as_one_finding() {
    let [ada, hans] = [Person::new(), Person::new()];
    let agreement = ada.agreement(&[&hans], Signature::Optional);
    let mut builder = MessageBuilder::from_bytes("", STAFF);
    builder.compression(CompressionAlgorithm::ZIP);
    let key = &hans.0.primary_key;
    builder.sign(key, Password::empty(), HashAlgorithm::Sha256);
    let packets = builder.to_vec(thread_rng()).unwrap();
    let message = ada.message(STAFF, Some(&hans));
    for number in 0..crate::parse::read::tests::damage::asked("DAMAGES", 3) * 20 {
        let mut dice = Dice(number);
        for damaged in [
            mangled(&message, &mut dice),
            ada.sealed(&mangled(&packets, &mut dice)),
        ] {
            if let Err(finding) = read(&damaged, agreement.clone()).0 {
                let told = !finding.message.is_empty() && !finding.remedy.is_empty();
                assert!(told, "damage {number}: {finding:?}");
            }
        }
    }
}

#[test]
fn a_message_that_anybody_could_have_changed_is_refused() {
    let ada = Person::new();
    let sealed = ada.sealed(&literal(STAFF));
    assert_eq!(read(&sealed, ada.alone()).0, Ok(2));
    // The same recipient, but data of the old kind behind it.
    let session_key = usize::from(sealed[1]) + 2;
    let old = [&sealed[..session_key], &packet(9, &[7; 100])].concat();
    refused(&old, ada.alone(), code::PGP_ERROR, "does not show whether");
}

#[test]
fn a_bomb_is_refused_before_it_has_filled_the_disk() {
    let ada = Person::new();
    let zeros = ada.message(vec![b'\n'; 20 << 20], None);
    assert!(zeros.len() < 40_000, "{}", zeros.len());
    refused(&zeros, ada.alone(), code::PGP_ERROR, "16 MB");
    let small = PgpAgreement {
        plain_bytes: 10,
        ..ada.alone()
    };
    refused(&ada.message(STAFF, None), small, code::PGP_ERROR, "allowed");
}

#[test]
fn layers_of_compression_have_an_end() {
    let ada = Person::new();
    // Compressed by nothing at all, so that each layer is only a header.
    let layered = |layers: usize| {
        let mut packets = literal(STAFF);
        for _ in 0..layers {
            packets = packet(8, &[&[0][..], &packets].concat());
        }
        ada.sealed(&packets)
    };
    assert_eq!(read(&layered(1), ada.alone()).0, Ok(2));
    assert_eq!(read(&layered(LAYERS), ada.alone()).0, Ok(2));
    refused(
        &layered(LAYERS + 1),
        ada.alone(),
        code::PGP_ERROR,
        "another message",
    );
    refused(
        &layered(300),
        ada.alone(),
        code::PGP_ERROR,
        "another message",
    );
    let bzip2 = ada.sealed(&packet(8, b"\x03BZh9"));
    refused(&bzip2, ada.alone(), code::PGP_ERROR, "compressed in a way");
}

#[test]
fn a_signature_is_judged_as_was_agreed() {
    let [ada, hans, eve] = [Person::new(), Person::new(), Person::new()];
    let required = ada.agreement(&[&hans], Signature::Required);
    let optional = ada.agreement(&[&hans], Signature::Optional);
    let good = ada.message(STAFF, Some(&hans));
    let by_another = ada.message(STAFF, Some(&eve));
    let unsigned = ada.message(STAFF, None);
    for agreement in [&required, &optional] {
        assert_eq!(read(&good, agreement.clone()), (Ok(2), vec![]));
    }
    refused(
        &unsigned,
        required.clone(),
        code::SIGNATURE_ERROR,
        "not signed",
    );
    let strange = keys::key_id(&eve.public().primary_key);
    refused(
        &by_another,
        required.clone(),
        code::SIGNATURE_ERROR,
        &strange,
    );
    assert_eq!(read(&unsigned, optional.clone()), (Ok(2), vec![]));
    let (rows, notes) = read(&by_another, optional.clone());
    assert_eq!((rows, notes.len()), (Ok(2), 1));
    assert!(notes[0].message.contains("not verified"), "{notes:?}");

    // Hans has signed something else.
    let mut builder = MessageBuilder::from_bytes("", STAFF);
    let key = &hans.0.primary_key;
    builder.sign(key, Password::empty(), HashAlgorithm::Sha256);
    let mut signed = builder.to_vec(thread_rng()).unwrap();
    assert_eq!(read(&ada.sealed(&signed), required.clone()).0, Ok(2));
    let place = signed.windows(5).position(|it| it == b"grace").unwrap();
    signed[place] = b'G';
    for agreement in [required, optional] {
        refused(
            &ada.sealed(&signed),
            agreement,
            code::SIGNATURE_ERROR,
            "not valid",
        );
    }
}
