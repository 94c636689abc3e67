//! Worlds of which everything is drawn, with all checkers. `cargo xtask sim` plays more of them.

use toubkal_sim::Scenario;

#[test]
fn drawn_worlds_break_no_rule_and_recover() {
    for seed in 0..50 {
        let played = std::panic::catch_unwind(|| Scenario::draw(seed).run());
        if let Err(cause) = played {
            eprintln!("seed {seed} failed: cargo xtask sim --seed {seed}");
            std::panic::resume_unwind(cause);
        }
    }
}

#[test]
fn a_seed_is_the_same_world_each_time() {
    for seed in 100..105 {
        assert_eq!(Scenario::draw(seed).run(), Scenario::draw(seed).run(), "seed {seed}");
    }
    assert_ne!(Scenario::draw(100).run().trace_hash, Scenario::draw(101).run().trace_hash);
}

#[test]
fn every_part_of_a_world_can_be_left_out() {
    for part in Scenario::parts() {
        let mut world = Scenario::draw(3);
        world.keep_hosts(8);
        assert!(world.without(part), "{part}");
        let _ = world.run();
    }
    assert!(!Scenario::draw(3).without("nothing of this name"));
}
