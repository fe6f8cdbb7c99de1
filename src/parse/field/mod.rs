//! Pure. The fields of a person: the canonical ones, in the fixed order of every file that rosterd writes, and those that a tenant adds.
//!
//! Names follow SCIM (RFC 7643) and HR practice. Synonyms are headers as real HR systems export them, in the form that [`normalised`]
//! makes of a header; within a field the more telling ones come first, because the first one found in a file wins.

mod extra;

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

pub use extra::ExtraName;

/// What a field's cells are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FieldKind {
    /// Taken as it stands; ids are text, always.
    Text,
    /// `local@domain`.
    Email,
    /// Canonical form `YYYY-MM-DD`.
    Date,
    /// A decimal number.
    Decimal,
    /// Yes or no.
    Flag,
    /// A word for employed or not.
    Status,
}

struct Spec {
    name: &'static str,
    kind: FieldKind,
    /// Normalised headers, a blank between them.
    synonyms: &'static str,
}

macro_rules! fields {
    ($($field:ident = $name:literal, $kind:ident, $synonyms:literal;)+) => {
        /// A field. The order is that of the output; of extra fields, whose order there is that of the configuration, it is that of their names.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Field {
            $($field,)+
            /// One that a tenant has added, or a later version. What its cells are, the mapping of its data source says.
            Extra(ExtraName),
        }

        static ALL: &[Field] = &[$(Field::$field),+];

        impl Field {
            /// Takes a canonical name.
            pub fn parse(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$field),)+
                    _ => None,
                }
            }

            fn spec(self) -> Option<&'static Spec> {
                match self {
                    $(Self::$field => {
                        static SPEC: Spec = Spec { name: $name, kind: FieldKind::$kind, synonyms: $synonyms };
                        Some(&SPEC)
                    })+
                    Self::Extra(_) => None,
                }
            }
        }
    };
}

fields! {
    EmployeeId = "employee_id", Text, "employeeid empid eeid employeenumber employeeno employee workerid associateid personnelnumber personid staffid staffnumber empno employeecode uniqueid externalid payrollid payrollnumber positionid filenumber personalnummer mitarbeiternr";
    Username = "username", Text, "userid username login loginname upn userprincipalname";
    WorkEmail = "work_email", Email, "workemail businessemail companyemail primaryemail emailaddress email emailid";
    PersonalEmail = "personal_email", Email, "personalemail homeemail privateemail";
    TitlePrefix = "title_prefix", Text, "salutation prefix honorific anrede";
    FirstName = "first_name", Text, "firstname givenname forename legalfirstname fname vorname";
    MiddleName = "middle_name", Text, "middlename middleinitial othernames";
    LastName = "last_name", Text, "lastname surname familyname legallastname lname nachname";
    PreferredName = "preferred_name", Text, "preferredname preferredfirstname knownas nickname";
    FullName = "full_name", Text, "fullname employeename displayname legalname personname name";
    JobTitle = "job_title", Text, "jobtitle positiontitle businesstitle jobrole jobprofile position role title";
    Department = "department", Text, "department departmentname dept homedepartment orgunit supervisoryorganization abteilung";
    Division = "division", Text, "division divisionname businessunit";
    Company = "company", Text, "company companyname legalentity employer organization companycode";
    CostCenter = "cost_center", Text, "costcenter costcentre ccode kostenstelle";
    Location = "location", Text, "location officelocation worklocation office site branch";
    ManagerId = "manager_id", Text, "managerid supervisorid supervisoreid reportstoid reportstoemployeeid manageremployeeid reportstoassociateid parentid";
    ManagerName = "manager_name", Text, "managername manager reportsto supervisor supervisorname linemanager";
    ManagerEmail = "manager_email", Email, "manageremail supervisoremail reportstoemailaddress";
    AltManagerIds = "alt_manager_ids", Text, "altreportsto dottedline matrixmanager";
    IsAssistant = "is_assistant", Flag, "isassistant assistant";
    EmploymentStatus = "employment_status", Status, "employmentstatus employeestatus workerstatus positionstatus jobstatus status active";
    EmploymentType = "employment_type", Text, "employmenttype employeetype workertype contracttype fulltimeparttime";
    HireDate = "hire_date", Date, "hiredate dateofhire startdate joindate joiningdate datejoined continuousservicedate eintrittsdatum beitrittam";
    OriginalHireDate = "original_hire_date", Date, "originalhiredate firsthiredate senioritydate";
    TerminationDate = "termination_date", Date, "terminationdate dateoftermination termdate exitdate leavingdate leavedate enddate lastday austrittsdatum austrittam";
    TerminationReason = "termination_reason", Text, "terminationreason termreason leavingreason reasonforleaving";
    StatusDate = "status_date", Date, "statusdate effectivedate changedate";
    BirthDate = "birth_date", Date, "birthdate dateofbirth dob geburtsdatum";
    Gender = "gender", Text, "gender sex";
    NationalId = "national_id", Text, "nationalid ssn socialsecuritynumber nino ninumber nisnumber sin tfn";
    WorkPhone = "work_phone", Text, "workphone officephone businessphone phone telephone phonenumber";
    WorkPhoneExt = "work_phone_ext", Text, "workphoneext workphoneextension extension";
    MobilePhone = "mobile_phone", Text, "mobilephone mobile cell cellphone handynummer";
    AddressLine1 = "address_line1", Text, "addressline1 address1 address street street1 streetaddress";
    AddressLine2 = "address_line2", Text, "addressline2 address2 street2";
    City = "city", Text, "city town ort";
    Region = "region", Text, "region state province county";
    PostalCode = "postal_code", Text, "postalcode postcode zip zipcode plz";
    Country = "country", Text, "country countrycode countryname land";
    AnnualPay = "annual_pay", Decimal, "annualpay annualsalary basesalary salary";
    HourlyPay = "hourly_pay", Decimal, "hourlypay hourlyrate payrate";
    PayCurrency = "pay_currency", Text, "paycurrency currency";
    PayFrequency = "pay_frequency", Text, "payfrequency payperiod frequency";
    PhotoFile = "photo_file", Text, "photofile photo picture image avatar";
    BankAccountHolder = "bank_account_holder", Text, "accountholder bankaccountholder bankaccountname kontoinhaber";
    BankAccount = "bank_account", Text, "bankaccount bankaccountnumber kontonummer";
    BankSortCode = "bank_sort_code", Text, "banksortcode sortcode bsb bsbnumber routingnumber bankroutingnumber aba bankleitzahl blz";
    Iban = "iban", Text, "iban ibannumber";
    Bic = "bic", Text, "bic swift swiftcode swiftbic";
    TaxId = "tax_id", Text, "taxid taxidentificationnumber taxnumber taxreference utr steuerid steuernummer steueridentifikationsnummer";
}

impl Field {
    /// All canonical ones, in order.
    pub fn all() -> impl Iterator<Item = Self> {
        ALL.iter().copied()
    }

    /// Takes the name of a field that a tenant adds: of small letters, digits and underscores, and none of the canonical ones.
    pub fn extra(name: &str) -> Option<Self> {
        let extra = ExtraName::parse(name).map(Self::Extra);
        extra.filter(|_| Self::parse(name).is_none())
    }

    /// Takes a name as it was stored: a field outlives the configuration that had it.
    pub fn stored(name: &str) -> Option<Self> {
        Self::parse(name).or_else(|| Self::extra(name))
    }

    /// Its name: key of the configuration, header of the roster.
    pub fn name(self) -> &'static str {
        match self {
            Self::Extra(name) => name.as_str(),
            canonical => canonical.spec().map_or("", |spec| spec.name),
        }
    }

    /// What the cells of a canonical field are.
    pub fn kind(self) -> Option<FieldKind> {
        self.spec().map(|spec| spec.kind)
    }

    /// Headers that mean this field, normalised, the more telling first.
    pub fn synonyms(self) -> impl Iterator<Item = &'static str> {
        let synonyms = self.spec().map(|spec| spec.synonyms.split(' '));
        synonyms.into_iter().flatten()
    }

    /// What people call somebody by.
    pub fn is_name(self) -> bool {
        matches!(
            self,
            Self::FirstName | Self::LastName | Self::PreferredName | Self::FullName
        )
    }

    /// Pay, bank, tax and national ids: never in logs, error files or on the command line without being asked for. Nor is an extra field, as far as
    /// is known here.
    pub fn is_secret(self) -> bool {
        matches!(
            self,
            Self::NationalId
                | Self::AnnualPay
                | Self::HourlyPay
                | Self::BankAccountHolder
                | Self::BankAccount
                | Self::BankSortCode
                | Self::Iban
                | Self::Bic
                | Self::TaxId
                | Self::Extra(_)
        )
    }
}

/// A header in the form that synonyms have: without accents, lower case, letters and digits only.
pub fn normalised(header: &str) -> String {
    header
        .nfkd()
        .filter(|c| !is_combining_mark(*c))
        .flat_map(char::to_lowercase)
        .filter(|c| c.is_alphanumeric())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_ordered_as_they_are_listed_and_extra_ones_come_last_by_name() {
        assert!(ALL.is_sorted());
        for field in Field::all() {
            assert_eq!(Field::parse(field.name()), Some(field));
            assert!(field.kind().is_some());
        }
        let [shoe, badge] = ["shoe_size", "badge"].map(|name| Field::extra(name).unwrap());
        assert!(Field::TaxId < badge && badge < shoe);
    }

    #[test]
    fn no_synonym_means_two_fields() {
        let mut seen = std::collections::HashMap::new();
        for field in Field::all() {
            for synonym in field.synonyms() {
                assert_eq!(normalised(synonym), synonym);
                assert_eq!(seen.insert(synonym, field), None, "{synonym}");
            }
        }
    }

    #[test]
    fn an_extra_field_is_known_by_its_name_and_a_secret_until_somebody_says_otherwise() {
        let shoe = Field::extra("shoe_size").unwrap();
        assert_eq!(Field::stored("shoe_size"), Some(shoe));
        assert_eq!(shoe.name(), "shoe_size");
        assert!(shoe.is_secret());
        assert_eq!(shoe.kind(), None);
        assert_eq!(shoe.synonyms().count(), 0);
        assert_eq!(Field::extra("city"), None);
        assert_eq!(Field::stored("city"), Some(Field::City));
        for bad in ["", "Shoe", "shoe size", "1st", "_x", "ü", &"x".repeat(64)] {
            assert_eq!(Field::stored(bad), None, "{bad}");
        }
    }

    #[test]
    fn bank_and_tax_fields_are_secrets() {
        for header in [
            "IBAN",
            "Sort Code",
            "Bank Account Number",
            "Tax ID",
            "SWIFT",
        ] {
            let name = normalised(header);
            let named = |field: &Field| {
                normalised(field.name()) == name || field.synonyms().any(|it| it == name)
            };
            assert!(Field::all().find(named).unwrap().is_secret(), "{header}");
        }
    }

    #[test]
    fn a_header_is_compared_without_accents_case_and_punctuation() {
        assert_eq!(normalised(" Employee # "), "employee");
        assert_eq!(normalised("E-mail"), "email");
        assert_eq!(normalised("Prénom"), "prenom");
    }
}
