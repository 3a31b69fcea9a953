fn main() {
    let args: Vec<String> = std::env::args().collect();
    let n: usize = args[1].parse().unwrap();
    let jobs: usize = args[2].parse().unwrap();
    let m: throng::Mechanism = args[3].parse().unwrap();
    let throng = throng::Throng::builder().jobs(jobs).mechanism(m).build().unwrap();
    let argv = args[4..].to_vec();
    let t = std::time::Instant::now();
    let (mut bytes, mut bad) = (0, 0);
    for o in throng.run((0..n).map(move |_| throng::Command::from_argv(&argv))) {
        bytes += o.stdout().len() + o.stderr().len();
        if !o.success() || !o.is_complete() { bad += 1; eprintln!("{o:?}") }
    }
    let d = t.elapsed().as_secs_f64();
    println!("{m} {:.0}/s bytes {bytes} bad {bad}", n as f64 / d);
}
