import Compute
import Testing

@testable import VisionTransformer

/// What the table says of timm's towers, against what papers and released configurations say.
@Suite struct TimmTowerTests {
  private func tower(_ name: String) throws -> TimmTower { try #require(TimmTower.named(name)) }

  @Test func everyRowIsReadAndFitsItself() throws {
    #expect(TimmTower.names.count > 200)
    #expect(Set(TimmTower.names).count == TimmTower.names.count)
    for name in TimmTower.names {
      let tower = try tower(name)
      #expect(tower.name == name)
      #expect(tower.width.isMultiple(of: tower.heads), "\(name)")
      #expect(tower.imageHeight >= tower.patchSize && tower.imageWidth >= tower.patchSize, "\(name)")
      #expect(tower.layers > 0 && tower.mlpWidth > 0 && tower.classes >= 0, "\(name)")
      #expect([1e-5, 1e-6].contains(tower.epsilon), "\(name)")
      #expect((tower.gate != nil) == (tower.activation == .silu), "\(name)")
      #expect(tower.pooling != .token || tower.hasClassToken, "\(name)")
      #expect((tower.pooling == .map) == (tower.pooler != nil), "\(name)")
      #expect(!tower.positionsPatchesOnly || tower.hasPositions, "\(name)")
      #expect(tower.hasPositions || tower.rotary != nil, "\(name)")
      #expect(!tower.poolsPrefix || tower.prefixTokens > 0, "\(name)")
      #expect(tower.hasPatchBias != tower.hasInputNorm, "\(name)")
      #expect(["bicubic", "bilinear"].contains(tower.interpolation), "\(name)")
      #expect(tower.cropShare > 0.5 && tower.cropShare <= 1, "\(name)")
      #expect(tower.mean.count == 3 && tower.std.count == 3 && tower.std.allSatisfy { $0 > 0 }, "\(name)")
      if let pooler = tower.pooler { #expect(tower.width.isMultiple(of: pooler.heads), "\(name)") }
      if let rotary = tower.rotary {
        // Angles of row and column, each in pairs.
        #expect((tower.width / tower.heads).isMultiple(of: 4), "\(name)")
        #expect((rotary.kind == .dinov3) == rotary.turnsHalves, "\(name)")
      }
      #expect(TimmTower.reason(against: name) == nil, "\(name)")
    }
  }

  @Test func theFirstVisionTransformer() throws {
    let tower = try tower("vit_base_patch16_224.augreg_in21k_ft_in1k")
    #expect((tower.name, tower.kind) == ("vit_base_patch16_224", .vit))
    #expect((tower.layers, tower.width, tower.heads, tower.mlpWidth) == (12, 768, 12, 3_072))
    #expect((tower.patchSize, tower.imageHeight, tower.imageWidth, tower.classes) == (16, 224, 224, 1_000))
    #expect((tower.activation, tower.epsilon, tower.qkvBias) == (.gelu, 1e-6, .all))
    #expect(tower.hasFusedQKV && tower.hasPositions && tower.hasFinalNorm && tower.hasPatchBias)
    #expect(!tower.hasInputNorm && !tower.hasLayerScale && !tower.hasPooledNorm && !tower.positionsPatchesOnly)
    #expect((tower.gate, tower.rotary, tower.pooler) == (nil, nil, nil))
    #expect((tower.pooling, tower.prefixTokens) == (.token, 1))
    #expect((tower.cropShare, tower.cropMode, tower.interpolation) == (0.9, .center, "bicubic"))
    #expect((tower.mean, tower.std) == ([0.5, 0.5, 0.5], [0.5, 0.5, 0.5]))
  }

  @Test func clipTowersAreNormalisedBeforeTheBlocksAndWithALargerEpsilon() throws {
    for (name, activation) in [
      ("vit_large_patch14_clip_224", Activation.gelu),
      ("vit_large_patch14_clip_quickgelu_224", .quickGELU),
    ] {
      let tower = try tower(name)
      #expect((tower.layers, tower.width, tower.heads) == (24, 1_024, 16))
      #expect((tower.epsilon, tower.activation) == (1e-5, activation))
      #expect(tower.hasInputNorm && !tower.hasPatchBias)
    }
  }

  @Test(arguments: [
    ("vit_base_patch16_siglip_224", Activation.gelu), ("vit_large_patch16_siglip_384", .gelu),
    ("vit_large_patch16_siglip_512", .geluTanh), ("vit_so400m_patch14_siglip_384", .gelu),
    ("vit_so400m_patch16_siglip_256", .geluTanh), ("vit_base_patch32_siglip_256", .geluTanh),
    ("vit_giantopt_patch16_siglip_384", .geluTanh),
  ])
  func sigLIPsActivationFollowsTheName(name: String, activation: Activation) throws {
    let tower = try tower(name)
    #expect(tower.activation == activation)
    #expect(tower.pooling == .map && !tower.hasClassToken && tower.hasFinalNorm && !tower.hasPooledNorm)
    #expect(tower.pooler == TimmTower.Pooler(heads: tower.heads, mlpWidth: tower.mlpWidth))
  }

  @Test func so400MsHeadsAre72Wide() throws {
    let tower = try tower("vit_so400m_patch14_siglip_384")
    #expect((tower.layers, tower.width, tower.heads, tower.mlpWidth) == (27, 1_152, 16, 4_304))
  }

  @Test func dinoV2WithRegisters() throws {
    let tower = try tower("vit_base_patch14_reg4_dinov2")
    #expect((tower.registers, tower.prefixTokens, tower.imageHeight) == (4, 5, 518))
    #expect(tower.positionsPatchesOnly && tower.hasLayerScale && tower.pooling == .token)
    #expect((tower.cropShare, tower.classes) == (1, 0))
    #expect(tower.mean == [0.485, 0.456, 0.406])
    let giant = try self.tower("vit_giant_patch14_reg4_dinov2")
    #expect((giant.gate, giant.activation) == (.packed, .silu))
    #expect((giant.mlpWidth, giant.width, giant.heads) == (4_096, 1_536, 24))
  }

  @Test func dinoV3() throws {
    let tower = try tower("vit_base_patch16_dinov3")
    #expect((tower.kind, tower.epsilon, tower.qkvBias, tower.registers) == (.eva, 1e-5, .none, 4))
    #expect(!tower.hasPositions && tower.takesAnySize && tower.hasLayerScale)
    #expect(tower.pooling == .average)
    #expect(
      tower.rotary
        == TimmTower.Rotary(
          kind: .dinov3, temperature: 100, offset: 0, startsWithColumn: false, referenceGrid: nil, turnsHalves: true))
    let biased = try self.tower("vit_base_patch16_dinov3_qkvb")
    #expect(biased.qkvBias == .queryAndValue && biased.hasFusedQKV)
  }

  @Test func perceptionEncoder() throws {
    let tower = try tower("vit_pe_core_base_patch16_224")
    #expect((tower.kind, tower.epsilon, tower.activation) == (.eva, 1e-5, .gelu))
    #expect(tower.hasInputNorm && !tower.hasPatchBias && tower.poolsPrefix)
    #expect(tower.pooler == TimmTower.Pooler(heads: 8, mlpWidth: 3_072))
    #expect(
      tower.rotary
        == TimmTower.Rotary(
          kind: .cat, temperature: 10_000, offset: 1, startsWithColumn: true,
          referenceGrid: .init(height: 14, width: 14), turnsHalves: false))
    let gigantic = try self.tower("vit_pe_core_gigantic_patch14_448")
    #expect((gigantic.mlpWidth, gigantic.layers, gigantic.hasClassToken) == (8_960, 50, false))
    #expect(gigantic.rotary?.referenceGrid == .init(height: 32, width: 32))
  }

  @Test func eva02() throws {
    let clip = try tower("eva02_base_patch16_clip_224")
    #expect((clip.epsilon, clip.gate, clip.qkvBias, clip.mlpWidth) == (1e-6, .split, .queryAndValue, 2_048))
    #expect(clip.hasAttendedNorm && clip.hasHiddenNorm && !clip.hasFusedQKV && clip.pooling == .token)
    #expect(
      clip.rotary
        == TimmTower.Rotary(
          kind: .cat, temperature: 10_000, offset: 0, startsWithColumn: false,
          referenceGrid: .init(height: 16, width: 16), turnsHalves: false))
    let base = try tower("eva02_base_patch14_448")
    #expect(!base.hasAttendedNorm && base.hasPooledNorm && !base.hasFinalNorm && base.cropMode == .squash)
    #expect(base.saysImageSize && clip.saysImageSize)
    let small = try tower("eva02_small_patch14_336")
    #expect((small.gate, small.hasFusedQKV, small.hasHiddenNorm) == (.packed, true, false))
    #expect(small.qkvBias == .queryAndValue)
  }

  @Test func formerNamesAreTodaysTowers() throws {
    #expect(try tower("vit_base_patch16_224_in21k").name == "vit_base_patch16_224")
    #expect(try tower("vit_base_patch32_224_clip_laion2b").name == "vit_base_patch32_clip_224")
  }

  @Test(arguments: [
    ("vit_base_mci_224", "a convolutional network in front of the blocks"),
    ("vit_base_resnet50_384", "a convolutional network in front of the blocks"),
    ("vitamin_large_336", "a convolutional network in front of the blocks"),
    ("eva02_enormous_patch14_clip_224", "norms behind attention and MLP (post-norm)"),
    ("vit_base_patch16_rpn_224", "norms behind attention and MLP (residual post-norm)"),
    ("vit_base_patch16_rope_mixed_224", "learned rotary positions, others in each block"),
    ("vit_relpos_base_patch16_224", "a relative position bias in every attention"),
    ("beitv2_base_patch16_224", "a relative position bias in every attention"),
    ("vit_small_patch16_18x2_224", "several attentions and MLPs side by side"),
    ("deit_base_distilled_patch16_224", "a distillation token with a head of its own"),
    ("aimv2_large_patch14_224", "RMS norms in the place of layer norms"),
    ("naflexvit_base_patch16_gap", "patches of any picture's own grid, packed into a sequence"),
    ("resnet50.a1_in1k", "a convolutional network, not a vision transformer"),
    ("convnext_xxlarge", "a convolutional network, not a vision transformer"),
    ("swin_base_patch4_window7_224", "attention within windows, not a plain vision transformer"),
  ])
  func otherModelsAreRefusedWithTheReason(name: String, reason: String) {
    #expect(TimmTower.named(name) == nil)
    #expect(TimmTower.reason(against: name) == reason)
  }

  @Test func unknownNamesHaveNeitherTowerNorReason() {
    for name in ["", ".", "vit", "vit_base_patch16_225", "tiny_thing", "test", "-"] {
      #expect(TimmTower.named(name) == nil, "\(name)")
      #expect(TimmTower.reason(against: name) == nil, "\(name)")
    }
    #expect(TimmTower.nearest(to: "vit_base_patch16_sigslip_224.webli") == "vit_base_patch16_siglip_224")
  }
}
