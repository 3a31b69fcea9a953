//! What a process inherits because it was listed, and a script without `#!`, on every kernel.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::sys::os::linux::CommandExt;

/// The read end of a pipe that contains these bytes, under a number not below this one.
fn pipe_with_bytes(bytes: &[u8], from: i32) -> OwnedFd {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    rustix::io::write(&writer, bytes).unwrap();
    rustix::io::fcntl_dupfd_cloexec(&reader, from).unwrap()
}

#[test]
fn a_process_inherits_the_listed_descriptors_and_nothing_else() {
    for features in ALL_FEATURES {
        // Below and above what the new process uses itself, and not marked close-on-exec.
        let stray = rustix::io::dup(std::io::stdin().as_fd()).unwrap();
        let (low, high) = (pipe_with_bytes(b"low", 3), pipe_with_bytes(b"high", 400));
        let numbers = [low.as_raw_fd(), high.as_raw_fd()];
        let script = format!(
            "for fd in /proc/self/fd/*; do echo ${{fd##*/}}; done; cat <&{} /dev/fd/{}",
            numbers[0], numbers[1]
        );
        // dash takes one digit for a descriptor.
        let mut command = Command::from_argv(["bash", "-c", &script]);
        command.inherit_fd(high).inherit_fd(low);
        let text = output(features, command);
        drop(stray);
        let (list, said) = text.rsplit_once('\n').unwrap();
        assert_eq!(said, "high", "{features:?}");
        let mut listed: Vec<i32> = list.lines().map(|line| line.parse().unwrap()).collect();
        // bash uses one itself while it expands the pattern, at the lowest free number.
        listed.retain(|fd| !numbers.contains(fd));
        assert_eq!(listed, [0, 1, 2, if numbers[0] == 3 { 4 } else { 3 }]);
    }
}

#[test]
fn a_descriptor_closed_meanwhile_does_not_prevent_a_start() {
    let all = {
        let mut options = HostOptions::default();
        let gone = pipe_with_bytes(b"", 500);
        let numbers = [gone.as_raw_fd()];
        drop(gone);
        options.inherited = crate::sys::os::linux::InheritedFds::of(&numbers);
        options
    };
    let body = move || {
        signals::block_all();
        let host = Arc::new(SystemContext::new(&all, Arc::default()).unwrap());
        let mut launcher = Launcher::new(host).unwrap();
        let command = Command::new("true");
        let pipes = Launcher::open_pipes(&command).unwrap();
        let begun = launcher.start(&command, pipes.theirs).unwrap();
        Child::new(begun, &command, std::time::Instant::now(), pipes.ours).reap();
    };
    thread::spawn(body).join().unwrap();
}

#[test]
fn a_file_without_an_interpreter_is_run_by_the_shell_if_it_is_text() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        path.into_os_string()
    };
    let script = file("script", b"echo \"$0\" \"$2\" $#\nexit 3\n");
    let binary = file("binary", b"\xcf\xfa\xed\xfe\0\0\n");
    let later = file("later", b"echo text first\nexit\n\0\0\0");
    let empty = file("empty", b"");
    let foreign = file("foreign", b"\x7fELF\n");
    for features in ALL_FEATURES {
        let run = |program: &OsString| {
            let mut command = Command::new(program);
            command.args(["a", "b c"]).allow_script(true);
            // Another test may have started a process while the file was open here.
            started(features, &command)
        };
        let said = format!("{} b c 2\n", script.display());
        assert_eq!(run(&script).unwrap(), said, "{features:?}");
        assert_eq!(run(&later).unwrap(), "text first\n");
        assert_eq!(run(&empty).unwrap(), "");
        let error = run(&binary).unwrap_err();
        assert!(error.contains("no format that this system"), "{error}");
        let error = run(&foreign).unwrap_err();
        assert!(error.contains("ELF"), "{error}");
        // A name that is searched for is found as any other.
        let mut command = Command::from_argv(["script", "a", "found"]);
        command.allow_script(true).env("PATH", dir.path());
        let said = format!("{} found 2\n", script.display());
        assert_eq!(started(features, &command).unwrap(), said);
    }
}

/// The output of a command, or the reason why it does not start.
fn started(features: Features, command: &Command) -> Result<String, String> {
    let command = command.clone();
    let body = move || {
        signals::block_all();
        let host = Arc::new(SystemContext::new(&HostOptions::default(), Arc::default()).unwrap());
        let mut launcher = Launcher::with_features(host, features).unwrap();
        loop {
            let pipes = Launcher::open_pipes(&command).unwrap();
            match launcher.start(&command, pipes.theirs) {
                Err(StartError::Busy(_)) => thread::yield_now(),
                Err(StartError::Refused(error)) => return Err(error.to_string()),
                Err(error) => panic!("{error:?}"),
                Ok(begun) => {
                    let mut text = String::new();
                    let mut reader = File::from(pipes.ours[0].try_clone().unwrap());
                    reader.read_to_string(&mut text).unwrap();
                    Child::new(begun, &command, std::time::Instant::now(), pipes.ours).reap();
                    return Ok(text);
                }
            }
        }
    };
    thread::spawn(body).join().unwrap()
}
