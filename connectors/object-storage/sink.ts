/** Opens the `object-storage` sink with the store that its configuration names. Loaded by its worker. */
import type { Sink, SinkContext } from "../contract.ts";
import { join } from "node:path";
import type { ObjectStorageConfig } from "./connector.ts";
import { LocalStore } from "./local/store.ts";
import { LAYOUT_KEYS, type LayoutKeys } from "./layout.ts";
import { ObjectSink } from "./object_sink.ts";
import type { ObjectStore } from "./object_store.ts";
import { endpointOf as azureEndpoint } from "./azure/endpoint.ts";
import { openStore as openAzure } from "./azure/store.ts";
import { endpointOf as gcsEndpoint } from "./gcs/endpoint.ts";
import { openStore as openGcs } from "./gcs/store.ts";
import { bucketUrl } from "./s3/address.ts";
import { openStore as openS3 } from "./s3/store.ts";

/** Opens the sink. Files that an interrupted flush has left half done are cleaned up when this resolves. */
export async function openSink(config: ObjectStorageConfig, context: SinkContext): Promise<Sink> {
  const { store, target } = openStore(config, context);
  const { file_naming: naming, max_file_size_mb } = config;
  const maxBytes = max_file_size_mb * 2 ** 20;
  try {
    return await ObjectSink.open({ context, store, target, keys: layoutKeys(config), naming, maxBytes });
  } catch (error) {
    await store[Symbol.asyncDispose]();
    throw error;
  }
}

function openStore(
  config: ObjectStorageConfig,
  context: SinkContext,
): { readonly store: ObjectStore; readonly target: string } {
  const { provider, bucket = "" } = config;
  const at = (endpoint: string) => `${endpoint}/${bucket}`;
  switch (provider) {
    case "s3":
      return {
        store: openS3({ ...config, bucket, s3: config.s3! }, context),
        target: bucketUrl(config.s3!, bucket).href,
      };
    case "gcs": {
      const gcs = config.gcs!;
      return { store: openGcs({ ...config, bucket, gcs }, context), target: at(gcsEndpoint(gcs)) };
    }
    case "azure": {
      const azure = config.azure!;
      return { store: openAzure({ ...config, bucket, azure }, context), target: at(azureEndpoint(azure)) };
    }
    case "local": {
      const root = join(config.local!.root, bucket);
      return { store: new LocalStore(root, context.random), target: root };
    }
  }
}

/** The keys that decide about files. No other goes into the state, since others may be secret. */
function layoutKeys(config: ObjectStorageConfig): LayoutKeys {
  const kept = Object.entries(config).filter(([key]) => LAYOUT_KEYS.includes(key));
  return Object.fromEntries(kept) as unknown as LayoutKeys;
}
