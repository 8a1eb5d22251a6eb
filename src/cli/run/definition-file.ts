import { readFileSync } from "node:fs";
import type { EFSVolumeConfiguration, RegisterTaskDefinitionRequest } from "@aws-sdk/client-ecs";

import { UserError } from "../user-error.ts";

export interface DefinitionFile {
  readonly definition: RegisterTaskDefinitionRequest;
  readonly efsVolumes: readonly EfsVolume[];
  /** What AWS would refuse and was read as meant. */
  readonly warnings: readonly string[];
}

export type EfsVolume = EFSVolumeConfiguration & { readonly fileSystemId: string };

/** Reads a task definition as it is given to `aws ecs register-task-definition`. */
export function readDefinitionFile(file: string): DefinitionFile {
  const definition = parse(file, readText(file));
  const warnings: string[] = [];
  const efsVolumes: EfsVolume[] = [];
  for (const volume of definition.volumes ?? []) {
    const efs = volume.efsVolumeConfiguration;
    if (efs === undefined) continue;
    const authorization = efs.authorizationConfig;
    const given = authorization?.accessPointId;
    if (authorization !== undefined && given !== undefined && /^ap-[0-9a-f]{17}$/.test(given)) {
      authorization.accessPointId = `fs${given}`;
      warnings.push(
        `${given} is no id that AWS gives to an access point; read as fs${given}. ` +
          "The mount helper on AWS would refuse it.",
      );
    }
    efsVolumes.push(efs as EfsVolume);
  }
  return { definition, efsVolumes, warnings };
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new UserError(`The task definition can't be read: ${(error as Error).message}`);
  }
}

function parse(file: string, text: string): RegisterTaskDefinitionRequest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new UserError(`${file} is not JSON: ${(error as Error).message}`);
  }
  const isDefinition =
    typeof value === "object" &&
    value !== null &&
    "family" in value &&
    "containerDefinitions" in value;
  if (!isDefinition) {
    throw new UserError(
      `${file} is not a task definition: it needs "family" and "containerDefinitions", ` +
        "as for `aws ecs register-task-definition --cli-input-json`.",
    );
  }
  const definition = value as RegisterTaskDefinitionRequest;
  for (const name of ["containerDefinitions", "volumes"] as const) {
    if (isListOfObjects(definition[name] ?? [])) continue;
    throw new UserError(`${file} is not a task definition: "${name}" has to be a list of objects.`);
  }
  return definition;
}

/** What else is wrong with the definition the API says; it is walked through before that. */
function isListOfObjects(value: unknown): boolean {
  const isObject = (each: unknown): boolean => typeof each === "object" && each !== null;
  return Array.isArray(value) && value.every(isObject);
}
