//! What is known of the machine. What cannot be found out is left out.

use std::env;

use serde::Serialize;

#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    /// `None` on Windows: which of them it is has not been asked for.
    pub(crate) kernel: Option<String>,
    pub(crate) cpu: Option<String>,
    pub(crate) memory_bytes: Option<u64>,
    pub(crate) load_average: Option<String>,
}

impl Machine {
    pub(crate) fn read() -> Machine {
        let wine = "under Wine: the figures tell nothing about Windows, and what the \
                    wineserver does is not in the processor time";
        Machine {
            kernel: throng_tests::os::is_wine().then(|| wine.to_owned()),
            cpu: env::var("PROCESSOR_IDENTIFIER").ok(),
            memory_bytes: None,
            load_average: None,
        }
    }
}
