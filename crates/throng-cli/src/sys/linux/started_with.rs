//! What we were started with and hand on: descriptors that a shell or make has opened for commands.

use std::sync::OnceLock;

use throng::os::linux::InheritedFds;

static INHERITED: OnceLock<InheritedFds> = OnceLock::new();

/// Takes stock of the descriptors, before anything opens one.
pub(crate) fn take_stock() {
    INHERITED.get_or_init(InheritedFds::take);
}

/// Those above stdin, stdout and stderr that were not close-on-exec.
pub(super) fn inherited() -> InheritedFds {
    INHERITED.get().cloned().unwrap_or_default()
}
