metadata description = 'Retail Stream in one resource group: a keyless Flex Consumption app, its storage, its event hub, and what watches them.'

targetScope = 'resourceGroup'

// --- What it is called and where it is ------------------------------------------------------------------------------

@description('A short name of this deployment, such as dev or prod. Resource names are made from it.')
@minLength(1)
@maxLength(20)
param environmentName string

@description('The Azure region of everything.')
param location string = resourceGroup().location

@description('Tags of every resource, on top of azd-env-name.')
param tags object = {}

// --- The function app -----------------------------------------------------------------------------------------------

@description('The Python version that the app runs on.')
@allowed(['3.11', '3.12', '3.13'])
param pythonVersion string = '3.13'

@description('Memory of each instance, in MB. CPU and network follow it: 2048 is one core.')
@allowed([512, 2048, 4096])
param instanceMemoryMB int = 2048

@description('How many instances may run at once, over all functions. It bounds the cost and the shards that run in parallel.')
@minValue(1)
@maxValue(1000)
param maximumInstanceCount int = 40

@description('Instances kept warm for HTTP. 0 means a cold start after idle times.')
@minValue(0)
@maxValue(20)
param alwaysReadyHttpInstances int = 0

@description('Instances kept warm for the stream timer. 1 keeps a live stream on one instance; 0 only where no live stream is wanted.')
@minValue(0)
@maxValue(1)
param alwaysReadyTickInstances int = 1

@description('RollingUpdate drains what runs when code or settings change; Recreate kills it, for regions that do not have the former.')
@allowed(['RollingUpdate', 'Recreate'])
param updateStrategy string = 'RollingUpdate'

@description('Whether the app is reachable from the internet (its routes still ask for a key). False needs privateNetworking.')
param publicNetworkAccess bool = true

@description('The origins that browsers may call from, separated by commas; empty for none. Sets both CORS and ALLOWED_ORIGINS.')
param allowedOrigins string = ''

// --- What the app reads from its environment -----------------------------------------------------------------------

@description('LOG_LEVEL.')
@allowed(['DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL'])
param logLevel string = 'INFO'

@description('STREAM_TABLE_PREFIX: begins the names of all tables and queues. Letters and digits, a letter first.')
@minLength(1)
@maxLength(31)
param tablePrefix string = 'retail'

@description('STREAM_SCHEDULE: when the stream timer fires, as NCRONTAB with seconds. It never overlaps itself. Looking less often than every second costs less where no stream runs.')
param streamSchedule string = '* * * * * *'

@description('EVENTHUB_TRANSPORT: amqp is port 5671, websocket is port 443.')
@allowed(['amqp', 'websocket'])
param eventHubTransport string = 'amqp'

@description('MAX_WORKERS. Flex Consumption runs one worker process an instance and scales by instances: see maximumInstanceCount.')
@minValue(1)
@maxValue(10)
param maxWorkers int = 1

@description('WORLD_SEED: the retail world that streams live in, unless a start request names another.')
@minValue(0)
@maxValue(2147483647)
param worldSeed int = 42

@description('WORLD_STORES: stores in the retail world.')
@minValue(1)
@maxValue(1000)
param worldStores int = 50

@description('WORLD_DISTRIBUTION_CENTERS: at most one for each store, and the most shards that a stream can have.')
@minValue(1)
@maxValue(100)
param worldDistributionCenters int = 5

@description('WORLD_PRODUCTS.')
@minValue(100)
@maxValue(10000)
param worldProducts int = 1000

@description('WORLD_CUSTOMERS.')
@minValue(100)
@maxValue(1000000)
param worldCustomers int = 20000

@description('OUTBOX_FIRST_DAY: the first day that outbox mode stages, such as 2026-01-31.')
@minLength(10)
@maxLength(10)
param outboxFirstDay string = '2026-01-01'

@description('OUTBOX_DAY_SCALE: a staged day has this many times the usual events; a number.')
@minLength(1)
param outboxDayScale string = '1'

@description('RATE_LIMIT_START: starts of a stream a minute, over all instances; 0 lifts the limit.')
@minValue(0)
@maxValue(1000)
param rateLimitStart int = 5

@description('RATE_LIMIT_TEST: connection tests a minute.')
@minValue(0)
@maxValue(1000)
param rateLimitTest int = 10

@description('RATE_LIMIT_DISRUPTION: disruptions created a minute.')
@minValue(0)
@maxValue(1000)
param rateLimitDisruption int = 20

@description('RATE_LIMIT_VALIDATION: validations a minute.')
@minValue(0)
@maxValue(1000)
param rateLimitValidation int = 20

@description('More application settings, name to value: REALTIME_BURST and its like, or AzureWebJobs.<function>.Disabled.')
param extraAppSettings object = {}

// --- The event hub --------------------------------------------------------------------------------------------------

@description('EVENTHUB_NAME.')
@minLength(1)
@maxLength(256)
param eventHubName string = 'retail-events'

@description('An existing Event Hubs namespace to send to, in this tenant; empty to make a new one. Its hub has to exist.')
param existingEventHubNamespaceName string = ''

@description('The resource group of the existing namespace.')
param existingEventHubResourceGroup string = resourceGroup().name

@description('The subscription of the existing namespace.')
param existingEventHubSubscriptionId string = subscription().subscriptionId

@description('Only for a hub that no identity can sign in to: its connection string, kept in a Key Vault. No hub is made then.')
@secure()
param eventHubConnectionString string = ''

@description('The tier of a new namespace. Basic is left out: its publications end at 256 KB.')
@allowed(['Standard', 'Premium'])
param eventHubSku string = 'Standard'

@description('Throughput units (Standard: 1 MB/s or 1000 events/s each) or processing units (Premium: 1, 2, 4, 8 or 16) to begin with.')
@minValue(1)
@maxValue(40)
param eventHubCapacity int = 1

@description('Standard only: auto-inflate up to this many throughput units. As many as eventHubCapacity, or fewer, turns it off.')
@minValue(0)
@maxValue(40)
param eventHubMaximumThroughputUnits int = 10

@description('Partitions of a new hub (at most 32 on Standard, 100 on Premium): fixed once made on Standard, and the lanes of a stream.')
@minValue(1)
@maxValue(100)
param eventHubPartitionCount int = 4

@description('Hours that a new hub keeps events: at most 168 on Standard, 2160 on Premium.')
@minValue(1)
@maxValue(2160)
param eventHubRetentionHours int = 24

@description('Whether a new hub also writes its events to blobs (Avro), in the container eventhub-capture. Standard bills this per throughput unit.')
param eventHubCapture bool = false

// --- Storage, network -----------------------------------------------------------------------------------------------

@description('Redundancy of the storage account that holds the state of streams.')
@allowed(['Standard_LRS', 'Standard_ZRS', 'Standard_GRS', 'Standard_GZRS'])
param storageSku string = 'Standard_LRS'

@description('Put storage, the event hub and the vault behind private endpoints, and the app into a virtual network.')
param privateNetworking bool = false

@description('Address space of the virtual network.')
param virtualNetworkPrefix string = '10.70.0.0/24'

@description('The subnet that the app sends from: /27 at least, /26 for many instances.')
param functionsSubnetPrefix string = '10.70.0.0/26'

@description('The subnet of the private endpoints.')
param endpointsSubnetPrefix string = '10.70.0.64/26'

// --- What watches it ------------------------------------------------------------------------------------------------

@description('Days that logs are kept.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 30

@description('The most log data a day, in GB, after which ingestion stops until the next day; -1 for no bound. Alerts read logs: give it room.')
@minValue(-1)
param logDailyQuotaGb int = 2

@description('Whether alert rules are made at all.')
param alertsEnabled bool = true

@description('Who gets a mail from the alerts. Without one, alerts are only shown in the portal.')
param alertEmails array = []

@description('A URL that alerts are posted to (common alert schema); empty for none.')
@secure()
param alertWebhookUrl string = ''

@description('Changes to alert rules, by key: {"low-throughput": {"enabled": false}, "failure-rate": {"threshold": 10, "severity": 1}}. Keys and fields as in infra/alerts.')
param alertOverrides object = {}

@description('Where the runbook is: alert descriptions link to it.')
param runbookUrl string = 'docs/operations.md'

@description('Ask /api/stream/health from outside, every five minutes. Needs publicNetworkAccess.')
param availabilityTest bool = false

@description('From where it is asked, by the population tags of the cloud.')
param availabilityPlaces array = ['emea-nl-ams-azr', 'us-va-ash-azr', 'apac-sg-sin-azr']

@description('Storage log categories to keep for audits: any of StorageRead, StorageWrite, StorageDelete. The stream itself reads and writes every second.')
param storageAuditCategories array = ['StorageDelete']

// --- Names ----------------------------------------------------------------------------------------------------------

var token = toLower(uniqueString(subscription().id, resourceGroup().id, environmentName))
var shortName = toLower(replace(replace(environmentName, '-', ''), '_', ''))
var allTags = union({ 'azd-env-name': environmentName }, tags)

var functionAppName = 'func-retail-stream-${token}'
var identityName = 'id-retail-stream-${token}'
var storageAccountName = 'st${take(shortName, 9)}${token}'
var keyVaultName = 'kv-${take(shortName, 7)}-${token}'
var newEventHubNamespaceName = 'evhns-retail-stream-${token}'
var deploymentContainerName = 'app-package'

var usesConnectionString = !empty(eventHubConnectionString)
var usesExistingEventHub = !usesConnectionString && !empty(existingEventHubNamespaceName)
var makesEventHub = !usesConnectionString && !usesExistingEventHub
var eventHubNamespaceName = usesExistingEventHub ? existingEventHubNamespaceName : newEventHubNamespaceName
var eventHubSubscriptionId = usesExistingEventHub ? existingEventHubSubscriptionId : subscription().subscriptionId
var eventHubResourceGroup = usesExistingEventHub ? existingEventHubResourceGroup : resourceGroup().name
var eventHubNamespaceId = resourceId(eventHubSubscriptionId, eventHubResourceGroup, 'Microsoft.EventHub/namespaces', eventHubNamespaceName)
var storageAccountId = resourceId('Microsoft.Storage/storageAccounts', storageAccountName)
var keyVaultId = resourceId('Microsoft.KeyVault/vaults', keyVaultName)
var functionAppId = resourceId('Microsoft.Web/sites', functionAppName)
var virtualNetworkName = 'vnet-retail-stream-${token}'
var functionsSubnetId = resourceId('Microsoft.Network/virtualNetworks/subnets', virtualNetworkName, 'functions')

// What environment() does not say of the clouds.
var clouds = loadJsonContent('clouds.json')
var suffixes = clouds[environment().name]

// --- Identity, logs, storage ----------------------------------------------------------------------------------------

module identity 'modules/identity.bicep' = {
  name: 'identity'
  params: {
    name: identityName
    location: location
    tags: allTags
  }
}

module monitoring 'modules/monitoring.bicep' = {
  name: 'monitoring'
  params: {
    workspaceName: 'log-retail-stream-${token}'
    applicationInsightsName: 'appi-retail-stream-${token}'
    location: location
    tags: allTags
    retentionDays: logRetentionDays
    dailyQuotaGb: logDailyQuotaGb
  }
}

module storage 'modules/storage.bicep' = {
  name: 'storage'
  params: {
    name: storageAccountName
    location: location
    tags: allTags
    skuName: storageSku
    tablePrefix: tablePrefix
    deploymentContainerName: deploymentContainerName
    makesCaptureContainer: makesEventHub && eventHubCapture
    isPrivate: privateNetworking
    workspaceId: monitoring.outputs.workspaceId
    auditCategories: storageAuditCategories
  }
}

module access 'modules/access.bicep' = {
  name: 'access'
  params: {
    principalId: identity.outputs.principalId
    storageAccountName: storage.outputs.name
    applicationInsightsName: monitoring.outputs.applicationInsightsName
  }
}

// --- The event hub --------------------------------------------------------------------------------------------------

module eventHub 'modules/event-hub.bicep' = if (makesEventHub) {
  name: 'event-hub'
  params: {
    namespaceName: newEventHubNamespaceName
    eventHubName: eventHubName
    location: location
    tags: allTags
    skuName: eventHubSku
    capacity: eventHubCapacity
    maximumThroughputUnits: eventHubMaximumThroughputUnits
    partitionCount: eventHubPartitionCount
    retentionHours: eventHubRetentionHours
    isPrivate: privateNetworking
    captures: eventHubCapture
    storageAccountName: storage.outputs.name
    captureContainerName: 'eventhub-capture'
    workspaceId: monitoring.outputs.workspaceId
  }
}

module eventHubAccess 'modules/event-hub-access.bicep' = if (!usesConnectionString) {
  name: 'event-hub-access-${token}'
  scope: resourceGroup(eventHubSubscriptionId, eventHubResourceGroup)
  params: {
    principalId: identity.outputs.principalId
    namespaceName: eventHubNamespaceName
    eventHubName: eventHubName
  }
  dependsOn: [eventHub]
}

module keyVault 'modules/key-vault.bicep' = if (usesConnectionString) {
  name: 'key-vault'
  params: {
    name: keyVaultName
    location: location
    tags: allTags
    principalId: identity.outputs.principalId
    eventHubConnectionString: eventHubConnectionString
    isPrivate: privateNetworking
    workspaceId: monitoring.outputs.workspaceId
  }
}

// --- The network ----------------------------------------------------------------------------------------------------

// Before the app: it starts only once it can reach what it depends on.
module privateNetwork 'modules/private-network.bicep' = if (privateNetworking) {
  name: 'private-network'
  params: {
    name: virtualNetworkName
    token: token
    location: location
    tags: allTags
    addressPrefix: virtualNetworkPrefix
    functionsSubnetPrefix: functionsSubnetPrefix
    endpointsSubnetPrefix: endpointsSubnetPrefix
    storageAccountId: storageAccountId
    eventHubNamespaceId: usesConnectionString ? '' : eventHubNamespaceId
    keyVaultId: usesConnectionString ? keyVaultId : ''
  }
  dependsOn: [storage, eventHub, keyVault]
}

module siteEndpoint 'modules/private-endpoint.bicep' = if (privateNetworking && !publicNetworkAccess) {
  name: 'endpoint-site'
  params: {
    name: 'pe-site-${token}'
    location: location
    tags: allTags
    serviceId: functionAppId
    groupId: 'sites'
    zoneName: 'privatelink.${suffixes.sites}'
    virtualNetworkName: virtualNetworkName
  }
  dependsOn: [privateNetwork, functionApp]
}

// --- The app --------------------------------------------------------------------------------------------------------

var eventHubIdentitySettings = {
  EVENTHUB_FULLY_QUALIFIED_NAMESPACE: '${eventHubNamespaceName}.${suffixes.serviceBus}'
}
var eventHubConnectionSettings = {
  AZURE_EVENTHUB_CONNECTION_STRING: '@Microsoft.KeyVault(VaultName=${keyVaultName};SecretName=eventhub-connection-string)'
}
var streamSettings = {
  EVENTHUB_NAME: eventHubName
  EVENTHUB_TRANSPORT: eventHubTransport
  STREAM_SCHEDULE: streamSchedule
  STREAM_TABLE_PREFIX: tablePrefix
  LOG_LEVEL: logLevel
  MAX_WORKERS: string(maxWorkers)
  ALLOWED_ORIGINS: allowedOrigins
  WORLD_SEED: string(worldSeed)
  WORLD_STORES: string(worldStores)
  WORLD_DISTRIBUTION_CENTERS: string(worldDistributionCenters)
  WORLD_PRODUCTS: string(worldProducts)
  WORLD_CUSTOMERS: string(worldCustomers)
  OUTBOX_FIRST_DAY: outboxFirstDay
  OUTBOX_DAY_SCALE: outboxDayScale
  RATE_LIMIT_START: string(rateLimitStart)
  RATE_LIMIT_TEST: string(rateLimitTest)
  RATE_LIMIT_DISRUPTION: string(rateLimitDisruption)
  RATE_LIMIT_VALIDATION: string(rateLimitValidation)
}

module functionApp 'modules/function-app.bicep' = {
  name: 'function-app'
  params: {
    name: functionAppName
    planName: 'plan-retail-stream-${token}'
    location: location
    tags: union(allTags, { 'azd-service-name': 'stream' })
    pythonVersion: pythonVersion
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    alwaysReadyHttpInstances: alwaysReadyHttpInstances
    alwaysReadyTickInstances: alwaysReadyTickInstances
    updateStrategy: updateStrategy
    publicNetworkAccess: publicNetworkAccess
    allowedOrigins: empty(allowedOrigins) ? [] : split(allowedOrigins, ',')
    identityName: identityName
    applicationInsightsName: monitoring.outputs.applicationInsightsName
    storageAccountName: storage.outputs.name
    deploymentContainerName: deploymentContainerName
    subnetId: privateNetworking ? functionsSubnetId : ''
    appSettings: union(streamSettings, usesConnectionString ? eventHubConnectionSettings : eventHubIdentitySettings, extraAppSettings)
  }
  dependsOn: [access, eventHubAccess, keyVault, privateNetwork]
}

// --- What watches it ------------------------------------------------------------------------------------------------

module watch 'modules/watch.bicep' = {
  name: 'watch'
  params: {
    namePrefix: 'retail-stream-${environmentName}'
    actionGroupName: 'ag-retail-stream-${token}'
    workbookName: 'Retail Stream (${environmentName})'
    location: location
    tags: allTags
    applicationInsightsId: monitoring.outputs.applicationInsightsId
    workspaceId: monitoring.outputs.workspaceId
    eventHubNamespaceId: usesConnectionString ? '' : eventHubNamespaceId
    storageAccountId: storageAccountId
    functionAppId: functionAppId
    throughputUnits: max(eventHubCapacity, eventHubMaximumThroughputUnits)
    watchesTick: alwaysReadyTickInstances > 0 && alwaysReadyHttpInstances == 0
    watchesThroughputUnits: makesEventHub && eventHubSku == 'Standard'
    alertsEnabled: alertsEnabled
    emails: alertEmails
    webhookUrl: alertWebhookUrl
    overrides: alertOverrides
    runbookUrl: runbookUrl
    availabilityTest: availabilityTest && publicNetworkAccess
    healthUrl: 'https://${functionApp.outputs.hostName}/api/stream/health'
    places: availabilityPlaces
  }
  dependsOn: [storage, eventHub]
}

// --- What the next command needs ------------------------------------------------------------------------------------

@description('For func azure functionapp publish and az functionapp commands.')
output AZURE_FUNCTION_APP_NAME string = functionApp.outputs.name

@description('Where the routes are.')
output STREAM_URL string = 'https://${functionApp.outputs.hostName}'

@description('The hub that is sent to, and its namespace.')
output EVENTHUB_NAME string = eventHubName
output EVENTHUB_FULLY_QUALIFIED_NAMESPACE string = usesConnectionString ? '' : '${eventHubNamespaceName}.${suffixes.serviceBus}'

@description('For role assignments elsewhere, such as on an existing hub.')
output AZURE_CLIENT_ID string = identity.outputs.clientId
output IDENTITY_PRINCIPAL_ID string = identity.outputs.principalId

@description('For queries.')
output APPLICATION_INSIGHTS_NAME string = monitoring.outputs.applicationInsightsName
output LOG_ANALYTICS_WORKSPACE_ID string = monitoring.outputs.workspaceCustomerId

@description('The account that holds the state of streams.')
output STORAGE_ACCOUNT_NAME string = storage.outputs.name
