import { Effect, Layer } from "effect"
import * as SecureRandom from "effect/crypto/SecureRandom"
import { Backup } from "../../../services/Backup.ts"
import { DataFolder } from "../../../services/DataFolder.ts"
import { Leases } from "../../../services/Leases.ts"
import * as DataFolderLayer from "../../runtime/DataFolder.ts"
import { createBackup } from "./createBackup.ts"
import { restoreBackup } from "./restoreBackup.ts"

export const layer = Layer.effect(
  Backup,
  Effect.gen(function* () {
    const folder = yield* DataFolder
    const leases = yield* Leases
    return Backup.of({
      create: (target, options) =>
        createBackup(target, options).pipe(
          Effect.provideService(DataFolder, folder),
          Effect.provideService(Leases, leases)
        ),
      restore: (source, into, onProgress) =>
        Effect.provide(restoreBackup(source, onProgress), [
          Layer.fresh(DataFolderLayer.at(into ?? folder.root)),
          SecureRandom.layerWebCrypto
        ])
    })
  })
)
