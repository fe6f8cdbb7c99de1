//! `rosterd roster`: who is employed, or was on a day, page by page, so that a big roster needs no big memory.

use clap::{Args, ValueEnum};
use jiff::civil::Date;

use super::audit::Noted;
use super::{Ending, Place, answer, complain, open_db};
use crate::config::Config;
use crate::db::PastPage;
use crate::report::roster::{Line, View};

const PAGE: u32 = 1_000;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    place: Place,
    /// The roster as it was at the end of that day, in the tenant's time zone.
    #[arg(long, value_name = "DATE")]
    as_of: Option<Date>,
    /// Those who have left, too.
    #[arg(long)]
    all: bool,
    /// Show pay, bank, tax and national ids, and what else the tenant keeps secret; else they are three stars.
    #[arg(long)]
    secrets: bool,
    /// CSV has a line a person; JSON is one document.
    #[arg(long, value_name = "FORMAT", default_value = "csv")]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Csv,
    Json,
}

pub(super) async fn run(config: &Config, arguments: &Arguments) -> anyhow::Result<Ending> {
    let Some(tenant) = config.tenant(&arguments.place.tenant) else {
        complain(&format!(
            "rosterd: there is no tenant \"{}\"",
            arguments.place.tenant
        ));
        return Ok(Ending::Not);
    };
    let mut view = View::new(tenant.extra_fields(), tenant.masking());
    if arguments.secrets {
        view = view.with_secrets();
    }
    let db = open_db(config).await?;
    let place = (&tenant.id, arguments.place.environment);
    let everybody = if arguments.all {
        "everybody, with who has left"
    } else {
        "who is employed"
    };
    let what = match arguments.as_of {
        Some(day) => format!("{everybody}, as of {day}"),
        None => everybody.to_owned(),
    };
    let mut printer = Printer::new(arguments.format, view);
    let Some(day) = arguments.as_of else {
        let noted = Noted::begin(config, &db, "roster", place, &what).await?;
        printer.begin()?;
        let mut after: Option<Line> = None;
        loop {
            let page = db
                .roster_page(place.0, place.1, arguments.all, after.as_ref(), PAGE)
                .await?;
            printer.print(&page)?;
            match page.into_iter().last() {
                Some(last) => after = Some(last),
                None => break,
            }
        }
        noted.end(printer.people).await?;
        return printer.end();
    };
    let next = day.tomorrow()?;
    let end = next.to_zoned(tenant.time_zone.clone())?.timestamp();
    if let Some(emptied) = db.emptied_through(place.0, place.1).await?
        && emptied >= end
    {
        complain(&format!(
            "rosterd: what was changed up to {emptied:.0} is not kept any more (retention), so the first day that can be told is {}",
            tenant.day(emptied)
        ));
        return Ok(Ending::Not);
    }
    let noted = Noted::begin(config, &db, "roster", place, &what).await?;
    printer.begin()?;
    let mut page = PastPage::default();
    while let Some(next) = db
        .past_roster_page(place, arguments.all, end, &page)
        .await?
    {
        printer.print(&next.lines)?;
        page = next;
    }
    noted.end(printer.people).await?;
    printer.end()
}

/// Prints a roster page by page.
struct Printer {
    format: Format,
    view: View,
    is_first: bool,
    /// Printed so far.
    people: u64,
}

impl Printer {
    fn new(format: Format, view: View) -> Self {
        Self {
            format,
            view,
            is_first: true,
            people: 0,
        }
    }

    fn begin(&self) -> anyhow::Result<()> {
        match self.format {
            Format::Csv => answer(&String::from_utf8(self.view.csv_header())?)?,
            Format::Json => answer("{\"people\":[")?,
        }
        Ok(())
    }

    fn print(&mut self, lines: &[Line]) -> anyhow::Result<()> {
        self.people += lines.len() as u64;
        if self.format == Format::Csv {
            answer(&String::from_utf8(self.view.csv_lines(lines))?)?;
            return Ok(());
        }
        for line in lines {
            let comma = if self.is_first { "\n" } else { ",\n" };
            answer(&format!(
                "{comma}{}",
                serde_json::to_string(&self.view.json(line))?
            ))?;
            self.is_first = false;
        }
        Ok(())
    }

    fn end(self) -> anyhow::Result<Ending> {
        if self.format == Format::Json {
            answer("\n]}\n")?;
        }
        Ok(Ending::Done)
    }
}
