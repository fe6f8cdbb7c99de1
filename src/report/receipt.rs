//! Pure. The receipt: the RUN document as a file beside the error file, without anybody's data.

use serde::Serialize;

use crate::report::run::Run;

#[derive(Serialize)]
struct Receipt<'a> {
    #[serde(flatten)]
    run: &'a Run,
    findings: u64,
    error_file: Option<&'a str>,
    summary: &'a str,
}

/// The receipt of `run`, which had `findings`, listed in `error_file` if there are any, and told of on the page `summary`.
pub fn receipt(run: &Run, findings: u64, error_file: Option<&str>, summary: &str) -> Vec<u8> {
    // Who asked for a run is between admins.
    let run = &Run {
        asked_by: None,
        ..run.clone()
    };
    let receipt = Receipt {
        run,
        findings,
        error_file,
        summary,
    };
    let mut json = serde_json::to_vec_pretty(&receipt).unwrap_or_default();
    json.push(b'\n');
    json
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::run::tests::example;

    #[test]
    fn a_receipt_tells_the_outcome_and_where_the_findings_are() {
        let errors = Some("0193-delivery.errors.csv");
        let json = receipt(&example().run, 1, errors, "0193-delivery.summary.html");
        insta::assert_snapshot!(String::from_utf8(json).unwrap());
    }
}
