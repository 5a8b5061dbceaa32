// Writes what slippi-js reads of a replay as JSON: node slippi_js_dump.cjs FILE OUT (NODE_PATH says where it lies).
const fs = require("fs");
const { SlippiGame } = require("@slippi/slippi-js/node");

const post = (p) => [
  p.positionX, p.positionY, p.facingDirection, p.percent, p.shieldSize, p.actionStateCounter,
  p.selfInducedSpeeds.airX, p.selfInducedSpeeds.y, p.selfInducedSpeeds.attackX, p.selfInducedSpeeds.attackY,
  p.selfInducedSpeeds.groundX, p.hitlagRemaining, p.miscActionState, p.stocksRemaining, +p.isAirborne,
  p.jumpsRemaining, p.hurtboxCollisionState, p.actionStateId, p.internalCharacterId,
];
const pre = (p) => [p.physicalButtons, p.joystickX, p.joystickY, p.cStickX, p.cStickY, p.trigger];
const item = (i) => [
  i.typeId, i.state, i.owner, i.positionX, i.positionY, i.velocityX, i.velocityY, i.expirationTimer, i.spawnId,
  i.facingDirection, i.damageTaken, i.missileType, i.turnipFace, i.chargeShotLaunched, i.chargePower, i.instanceId,
];

const game = new SlippiGame(process.argv[2]);
const ports = game.getSettings().players.map((player) => player.playerIndex);
const frames = Object.values(game.getFrames()).sort((a, b) => a.frame - b.frame);
fs.writeFileSync(process.argv[3], JSON.stringify(frames.map((frame) => ({
  frame: frame.frame,
  players: ports.map((port) => ({
    post: post(frame.players[port].post),
    pre: pre(frame.players[port].pre),
    partner: frame.followers && frame.followers[port] ? post(frame.followers[port].post) : null,
  })),
  items: (frame.items || []).map(item),
}))));
