"""What a calculator takes: inputs, their controls, links, and what a reader pastes or uploads."""
